//! Values from text.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::DynValue;
use crate::dynamic::name::{is_bare, unquote};
use crate::layout::schema::MAX_DEPTH;

/// Text that is not a value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseValueError {
    /// The byte at which it goes wrong.
    at: usize,
    /// What is wrong there.
    reason: String,
}

impl ParseValueError {
    /// The byte of the text at which it goes wrong.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for ParseValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the text is not a value: at byte {}: {}",
            self.at, self.reason
        )
    }
}

impl fmt::Debug for ParseValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} (")?;
        f.debug_struct("ParseValueError")
            .field("at", &self.at)
            .field("reason", &self.reason)
            .finish()?;
        f.write_str(")")
    }
}

impl Error for ParseValueError {}

/// Reads a value as [the table](DynValue#as-text) shows. Spaces between its parts do not count.
///
/// # Errors
///
/// [`ParseValueError`] with the place at which the text stops being a value. Lists and structs nest at most 128 deep.
impl FromStr for DynValue {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.skip_spaces();
        match parser.peek() {
            None => Ok(value),
            Some(_) => parser.wrong("the value is followed by something else"),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    /// The next byte.
    at: usize,
}

type Result<T, E = ParseValueError> = std::result::Result<T, E>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Whether `char` is next, which it then skips.
    fn eat(&mut self, char: char) -> bool {
        let is_next = self.peek() == Some(char);
        if is_next {
            self.at += char.len_utf8();
        }
        is_next
    }

    fn wrong<T>(&self, reason: impl Into<String>) -> Result<T> {
        self.wrong_at(self.at, reason)
    }

    #[allow(clippy::unused_self, reason = "it is called next to `wrong`")]
    fn wrong_at<T>(&self, at: usize, reason: impl Into<String>) -> Result<T> {
        Err(ParseValueError {
            at,
            reason: reason.into(),
        })
    }

    /// Describes what is next, for a message.
    fn found(&self) -> String {
        match self.peek() {
            None => "the end".to_owned(),
            Some(char) => format!("{char:?}"),
        }
    }

    fn value(&mut self, depth: usize) -> Result<DynValue> {
        self.skip_spaces();
        if depth > MAX_DEPTH {
            return self.wrong(format!("values nest at most {MAX_DEPTH} deep"));
        }
        let start = self.at;
        if self.rest().starts_with("b\"") {
            self.at += 2;
            return self.bytes();
        }
        match self.peek() {
            Some('[') => {
                self.at += 1;
                self.list(depth)
            }
            Some('{') => {
                self.at += 1;
                self.structure(depth)
            }
            Some('"') => {
                self.at += 1;
                Ok(DynValue::Str(self.quoted('"')?))
            }
            Some('`') => {
                self.at += 1;
                Ok(DynValue::Name(self.quoted('`')?.into()))
            }
            Some('\'') => {
                self.at += 1;
                let text = self.quoted('\'')?;
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(char), None) => Ok(DynValue::Char(char)),
                    _ => self.wrong_at(start, "a char is one character; write text as \"..\""),
                }
            }
            Some('0'..='9' | '+' | '-' | '.') => self.number(),
            Some(char) if is_bare(char) => Ok(match self.word() {
                "true" => DynValue::Bool(true),
                "false" => DynValue::Bool(false),
                "inf" => DynValue::F64(f64::INFINITY),
                "NaN" => DynValue::F64(f64::NAN),
                name => DynValue::Name(name.to_owned().into()),
            }),
            _ => self.wrong(format!(
                "expected a value (`1`, `2.5`, `true`, `'c'`, `\"text\"`, `Name`, `[..]`, `{{..}}`), found {}",
                self.found()
            )),
        }
    }

    /// The letters, digits and `_` that are next.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|char| !is_bare(char)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn number(&mut self) -> Result<DynValue> {
        let start = self.at;
        let rest = self.rest();
        let mut end = 0;
        for (at, char) in rest.char_indices() {
            // A sign belongs to the number at its start and after the `e` of an exponent.
            let is_sign = matches!(char, '+' | '-')
                && (at == 0
                    || (rest[..at].ends_with(['e', 'E']) && !rest[..at].contains(['x', 'X'])));
            if !is_sign && char != '.' && !is_bare(char) {
                break;
            }
            end = at + char.len_utf8();
        }
        self.at += end;
        let text = &rest[..end];
        match integer(text).or_else(|| float(text)) {
            Some(value) => Ok(value),
            None => {
                let is_large = text
                    .trim_start_matches(['+', '-'])
                    .chars()
                    .all(|char| char.is_ascii_digit());
                let reason = if is_large && text.len() > 1 {
                    "the number is too large for any integer"
                } else if text.parse::<f64>().is_ok() {
                    "the number is too large for a float; write `inf`"
                } else {
                    "this is not a number"
                };
                self.wrong_at(start, reason)
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String> {
        match unquote(self.rest(), quote) {
            Ok((text, len)) => {
                self.at += len;
                Ok(text)
            }
            Err((at, reason)) => self.wrong_at(self.at + at, reason),
        }
    }

    /// Bytes after `b"`, with the escapes of Rust.
    fn bytes(&mut self) -> Result<DynValue> {
        let mut out = Vec::new();
        loop {
            let start = self.at;
            let Some(char) = self.peek() else {
                return self.wrong("the closing `\"` is missing");
            };
            self.at += char.len_utf8();
            match char {
                '"' => return Ok(DynValue::Bytes(out)),
                '\\' => {
                    let escaped = self.peek();
                    self.at += escaped.map_or(0, char::len_utf8);
                    out.push(match escaped {
                        Some('n') => b'\n',
                        Some('r') => b'\r',
                        Some('t') => b'\t',
                        Some('0') => 0,
                        Some('\\') => b'\\',
                        Some('\'') => b'\'',
                        Some('"') => b'"',
                        Some('x') => {
                            let digits = self.rest().get(..2);
                            let is_hex = |digits: &&str| {
                                digits.bytes().all(|digit| digit.is_ascii_hexdigit())
                            };
                            let byte = digits
                                .filter(is_hex)
                                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                            let Some(byte) = byte else {
                                return self.wrong_at(start, "`\\x` has two hexadecimal digits");
                            };
                            self.at += 2;
                            byte
                        }
                        _ => {
                            return self.wrong_at(
                                start,
                                "the escapes are `\\xff`, `\\\\`, `\\\"`, `\\n`, `\\r`, `\\t` and `\\0`",
                            );
                        }
                    });
                }
                _ if char.is_ascii() => out.push(char as u8),
                _ => {
                    return self
                        .wrong_at(start, "bytes are written as ASCII; write others as `\\xff`");
                }
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<DynValue> {
        let mut elements = Vec::new();
        loop {
            self.skip_spaces();
            if self.eat(']') {
                return Ok(DynValue::List(elements));
            }
            elements.push(self.value(depth + 1)?);
            self.end_of_part(']')?;
        }
    }

    fn structure(&mut self, depth: usize) -> Result<DynValue> {
        let mut fields: Vec<(std::borrow::Cow<'static, str>, DynValue)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        loop {
            self.skip_spaces();
            if self.eat('}') {
                return Ok(DynValue::Struct(fields));
            }
            let start = self.at;
            let name = if self.eat('`') {
                self.quoted('`')?
            } else {
                self.word().to_owned()
            };
            if self.at == start {
                let found = self.found();
                return self.wrong(format!(
                    "expected the name of a field or `}}`, found {found}"
                ));
            }
            if !names.insert(name.clone()) {
                return self.wrong_at(start, "the field was there already");
            }
            self.skip_spaces();
            if !self.eat(':') {
                let found = self.found();
                return self.wrong(format!(
                    "expected `:` after the name of a field, found {found}"
                ));
            }
            fields.push((name.into(), self.value(depth + 1)?));
            self.end_of_part('}')?;
        }
    }

    /// Skips the comma after an element or a field, unless the end follows.
    fn end_of_part(&mut self, end: char) -> Result<()> {
        self.skip_spaces();
        if self.eat(',') || self.peek() == Some(end) {
            return Ok(());
        }
        self.wrong(format!("expected `,` or `{end}`, found {}", self.found()))
    }
}

/// Reads an integer: decimal, or with a prefix.
fn integer(text: &str) -> Option<DynValue> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        _ => (10, digits),
    };
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = u128::from_str_radix(&digits, radix).ok()?;
    if is_negative {
        0i128.checked_sub_unsigned(magnitude).map(DynValue::Int)
    } else {
        Some(DynValue::from(magnitude))
    }
}

/// Reads a float. A number too large for one is none.
fn float(text: &str) -> Option<DynValue> {
    let digits = text.trim_start_matches(['+', '-']);
    // `parse` also reads `nan` and `infinity`.
    if digits != "inf" && !digits.starts_with(|char: char| char.is_ascii_digit() || char == '.') {
        return None;
    }
    // A number of digits only is no float: it would not be exact.
    if digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value: f64 = text.replace('_', "").parse().ok()?;
    (value.is_finite() || digits == "inf").then_some(DynValue::F64(value))
}
