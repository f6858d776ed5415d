//! Names as paths and values write them: bare, or in backquotes if they have other characters than letters, digits and `_`.

use std::fmt::{self, Write};

/// Words that would be read as values.
const RESERVED: [&str; 4] = ["true", "false", "inf", "NaN"];

/// A name, written so that it can be read again. No control character of it reaches a terminal.
pub(super) struct Name<'a>(pub(super) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.chars().all(is_bare) && !RESERVED.contains(&self.0) {
            return f.write_str(self.0);
        }
        Quoted(self.0).fmt(f)
    }
}

/// A name in backquotes.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        for char in self.0.chars() {
            match char {
                '`' => f.write_str("\\`")?,
                _ => write!(f, "{}", char.escape_debug())?,
            }
        }
        f.write_char('`')
    }
}

/// Whether a character needs no backquotes.
pub(super) fn is_bare(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Why quoted text could not be read: the byte at which it goes wrong, and what is wrong there.
pub(super) type Wrong = (usize, String);

/// Reads text up to the closing `quote`, with the escapes of Rust. `text` begins after the opening quote. Returns the text and the
/// number of bytes up to the end of the closing quote.
pub(super) fn unquote(text: &str, quote: char) -> Result<(String, usize), Wrong> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return Ok((out, at + char.len_utf8()));
        }
        if char != '\\' {
            out.push(char);
            continue;
        }
        let escaped = chars.next().map(|(_, char)| char);
        out.push(match escaped {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('0') => '\0',
            Some(same @ ('\\' | '\'' | '"' | '`')) => same,
            Some('u') => {
                let rest = chars.as_str();
                let digits = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let code = digits.and_then(|(digits, _)| {
                    let is_short = digits.len() <= 6;
                    is_short.then(|| u32::from_str_radix(digits, 16).ok())?
                });
                let Some(char) = code.and_then(char::from_u32) else {
                    return Err((at, "write `\\u{1f600}` with the number of a character".into()));
                };
                // The digits and both braces.
                let len = digits.map_or(0, |(digits, _)| digits.len() + 2);
                chars.nth(len - 1);
                char
            }
            _ => {
                return Err((
                    at,
                    format!("the escapes are `\\\\`, `\\{quote}`, `\\n`, `\\r`, `\\t`, `\\0` and `\\u{{..}}`"),
                ));
            }
        });
    }
    Err((text.len(), format!("the closing `{quote}` is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in [
            "", "x", "0", "größe", "a b", "a.b[1]", "`", "\\", "\n\u{1b}", "true", "\u{202e}",
        ] {
            let written = Name(name).to_string();
            assert!(!written.chars().any(char::is_control), "{written}");
            let read = match written.strip_prefix('`') {
                Some(rest) => {
                    let (read, len) = unquote(rest, '`').unwrap();
                    assert_eq!(len, rest.len());
                    read
                }
                None => written.clone(),
            };
            assert_eq!(read, name, "{written}");
        }
    }

    #[test]
    fn wrong_escapes_are_errors_with_their_place() {
        for (text, at) in [
            (r"ab\x`", 2),
            (r"\u{110000}`", 0),
            (r"\u{1234567}`", 0),
            (r"\u{12`", 0),
            ("\\", 0),
            ("ab", 2),
        ] {
            assert_eq!(unquote(text, '`').unwrap_err().0, at, "{text}");
        }
        assert_eq!(
            unquote(r"\u{41}\u{1F600}` rest", '`').unwrap(),
            ("A😀".to_owned(), 16)
        );
    }
}
