//! The syntax of paths: [`DynSegment::at`](super::DynSegment::at) describes it.

use std::fmt;
use std::ops::Range;

use super::name::{Name, Wrong, is_bare, unquote};

/// A step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field of a struct, or a word of a sync type.
    Field(String),
    /// An element.
    Index(u64),
    /// Elements from the first number to before the second, or to the end.
    Range(u64, Option<u64>),
    /// A message of a queue, by its number.
    Message(u64),
}

/// As it is written in a path, without the dot before a field.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "{}", Name(name)),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Range(start, Some(end)) => write!(f, "[{start}..{end}]"),
            Self::Range(start, None) => write!(f, "[{start}..]"),
            Self::Message(number) => write!(f, "[#{number}]"),
        }
    }
}

/// Reads a path. The error is the byte at which it goes wrong, and what is wrong there.
pub(super) fn parse(path: &str) -> Result<Vec<Step>, Wrong> {
    let mut steps = Vec::new();
    if path == "." {
        return Ok(steps);
    }
    let mut at = 0;
    while at < path.len() {
        let rest = &path[at..];
        let is_first = steps.is_empty();
        let (step, len) = if let Some(inside) = rest.strip_prefix('[') {
            let (step, len) = in_brackets(inside).map_err(|(of, reason)| (at + 1 + of, reason))?;
            (step, 1 + len)
        } else if is_first {
            if rest.starts_with('.') {
                return Err((
                    0,
                    "a path begins with a name, without a dot; `.` alone is the whole".into(),
                ));
            }
            field(rest).map_err(|(of, reason)| (at + of, reason))?
        } else if let Some(after) = rest.strip_prefix('.') {
            let (step, len) = field(after).map_err(|(of, reason)| (at + 1 + of, reason))?;
            (step, 1 + len)
        } else {
            return Err((at, format!("expected `.` or `[`, found {}", found(rest))));
        };
        steps.push(step);
        at += len;
    }
    if steps.is_empty() {
        return Err((0, "it is empty; `.` is the whole".into()));
    }
    Ok(steps)
}

/// Describes the first character, for a message.
fn found(text: &str) -> String {
    match text.chars().next() {
        None => "the end".to_owned(),
        Some(char) => format!("{char:?}"),
    }
}

/// Reads the name of a field, and returns the bytes that it takes.
fn field(text: &str) -> Result<(Step, usize), Wrong> {
    if let Some(quoted) = text.strip_prefix('`') {
        let (name, len) = unquote(quoted, '`').map_err(|(at, reason)| (1 + at, reason))?;
        return Ok((Step::Field(name), 1 + len));
    }
    let len = text.find(|char| !is_bare(char)).unwrap_or(text.len());
    if len == 0 {
        return Err((
            0,
            format!(
                "expected the name of a field, found {}; write a name with other characters than letters, digits and `_` in \
                 backquotes",
                found(text)
            ),
        ));
    }
    Ok((Step::Field(text[..len].to_owned()), len))
}

/// Reads what follows a `[`, up to the `]`.
fn in_brackets(text: &str) -> Result<(Step, usize), Wrong> {
    const EXPECTED: &str = "expected an index `[2]`, a range `[2..5]` or a message `[#17]`";

    let mut at = 0;
    let is_message = text.starts_with('#');
    at += usize::from(is_message);
    let first = number(text, &mut at)?;
    let mut last = None;
    let is_range = !is_message && text[at..].starts_with("..");
    if is_range {
        at += 2;
        last = number(text, &mut at)?;
    }
    let Some(after) = text[at..].strip_prefix(']') else {
        let rest = &text[at..];
        let reason = match first {
            None if !is_range => format!("{EXPECTED}, found {}", found(rest)),
            _ => format!("expected `]`, found {}", found(rest)),
        };
        return Err((at, reason));
    };
    let len = text.len() - after.len();
    let step = match (first, is_message, is_range) {
        (Some(number), true, _) => Step::Message(number),
        (Some(index), _, false) => Step::Index(index),
        (start, false, true) => Step::Range(start.unwrap_or(0), last),
        _ => return Err((at, EXPECTED.into())),
    };
    if let Step::Range(start, Some(end)) = step
        && start > end
    {
        return Err((
            0,
            format!("the range begins at {start} and ends before, at {end}"),
        ));
    }
    Ok((step, len))
}

/// Reads a decimal number, if there is one.
fn number(text: &str, at: &mut usize) -> Result<Option<u64>, Wrong> {
    let rest = &text[*at..];
    let len = rest
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(rest.len());
    if len == 0 {
        return Ok(None);
    }
    let Ok(number) = rest[..len].parse() else {
        return Err((*at, "the number is too large".into()));
    };
    *at += len;
    Ok(Some(number))
}

/// The elements of a range in a list of `len`, or what is wrong with it.
pub(super) fn elements(start: u64, end: Option<u64>, len: usize) -> Option<Range<usize>> {
    let end = match end {
        Some(end) => usize::try_from(end).ok()?,
        None => len,
    };
    let start = usize::try_from(start).ok()?;
    (start <= end && end <= len).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> Step {
        Step::Field(name.to_owned())
    }

    #[test]
    fn paths_are_read_step_by_step() {
        assert_eq!(parse("."), Ok(vec![]));
        assert_eq!(
            parse("position[2]"),
            Ok(vec![field("position"), Step::Index(2)])
        );
        assert_eq!(
            parse("nodes[3].next"),
            Ok(vec![field("nodes"), Step::Index(3), field("next")])
        );
        assert_eq!(
            parse("a[2..5]"),
            Ok(vec![field("a"), Step::Range(2, Some(5))])
        );
        assert_eq!(
            parse("a[..5]"),
            Ok(vec![field("a"), Step::Range(0, Some(5))])
        );
        assert_eq!(parse("a[2..]"), Ok(vec![field("a"), Step::Range(2, None)]));
        assert_eq!(parse("a[..]"), Ok(vec![field("a"), Step::Range(0, None)]));
        assert_eq!(
            parse("jobs[#17]"),
            Ok(vec![field("jobs"), Step::Message(17)])
        );
        assert_eq!(parse("[1][0]"), Ok(vec![Step::Index(1), Step::Index(0)]));
        assert_eq!(parse("pair.0"), Ok(vec![field("pair"), field("0")]));
        assert_eq!(
            parse(r"`a.b\`c`.`x y`[1]"),
            Ok(vec![field("a.b`c"), field("x y"), Step::Index(1)])
        );
        assert_eq!(parse("größe"), Ok(vec![field("größe")]));
    }

    #[test]
    fn errors_say_where_and_what_was_expected() {
        for (path, at, part) in [
            ("", 0, "`.` is the whole"),
            (".a", 0, "without a dot"),
            ("..", 0, "without a dot"),
            ("a.", 2, "expected the name of a field, found the end"),
            ("a..b", 2, "found '.'"),
            ("a b", 1, "expected `.` or `[`, found ' '"),
            ("a[", 2, "expected an index `[2]`"),
            ("a[x]", 2, "found 'x'"),
            ("a[-1]", 2, "found '-'"),
            ("a[1", 3, "expected `]`, found the end"),
            ("a[1.5]", 3, "expected `]`, found '.'"),
            ("a[#]", 3, "a message `[#17]`"),
            ("a[#1..2]", 4, "expected `]`"),
            ("a[5..2]", 2, "begins at 5 and ends before, at 2"),
            ("a[99999999999999999999]", 2, "too large"),
            ("`a", 2, "closing"),
            ("a-b", 1, "found '-'"),
            ("\u{1b}[31m", 0, r"found '\u{1b}'"),
        ] {
            let (place, reason) = parse(path).unwrap_err();
            assert!(reason.contains(part), "{path}: {reason}");
            assert_eq!(place, at, "{path}: {reason}");
        }
    }

    #[test]
    fn random_paths_are_read_or_refused_inside_their_length() {
        let pieces = [
            "a",
            ".",
            "[",
            "]",
            "..",
            "#",
            "1",
            "`",
            "\\",
            "ß",
            " ",
            "99999999999999999999",
            "\u{0}",
            "x9_",
        ];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut path = String::new();
            for _ in 0..state % 9 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                path.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1)
                >> 1;
            match parse(&path) {
                Ok(steps) => {
                    let mut written = String::new();
                    for step in &steps {
                        if matches!(step, Step::Field(_)) && !written.is_empty() {
                            written.push('.');
                        }
                        written.push_str(&step.to_string());
                    }
                    let again = if steps.is_empty() { "." } else { &written };
                    assert_eq!(parse(again), Ok(steps), "{path}");
                }
                Err((at, _)) => assert!(at <= path.len() && path.is_char_boundary(at), "{path}"),
            }
        }
    }
}
