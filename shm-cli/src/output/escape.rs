//! Text from segments, made safe for a terminal.

use std::fmt::{self, Write};

/// `text` without control characters, for instance a name from a segment or a file: they could move the cursor, or hide other
/// text. Characters that change the direction of text or have no width are escaped, too.
pub(crate) const fn escaped(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// See [`escaped`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|character| !is_plain(character)) {
            let (plain, from) = rest.split_at(at);
            f.write_str(plain)?;
            let mut characters = from.chars();
            for character in characters.next().into_iter().flat_map(char::escape_debug) {
                f.write_char(character)?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

pub(super) fn is_plain(character: char) -> bool {
    // `escape_debug` also escapes quotes and the backslash, which are harmless, and leaves some invisible characters alone.
    match character {
        // Nearly all characters, and the quotes and the backslash.
        ' '..='~' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        _ => character.escape_debug().len() == 1,
    }
}

/// A name as paths have it: as it is, or in backquotes.
pub(crate) fn bare(name: &str) -> String {
    let is_bare = |char: char| char.is_alphanumeric() || char == '_';
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    let inside: String = name
        .chars()
        .map(|char| match char {
            '`' => "\\`".to_owned(),
            _ => char.escape_debug().to_string(),
        })
        .collect();
    format!("`{inside}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_and_letters_are_not() {
        let shown = |text: &str| escaped(text).to_string();
        assert_eq!(shown("\u{1b}[31mred\n\u{7}"), "\\u{1b}[31mred\\n\\u{7}");
        assert_eq!(shown("a\u{202e}b\u{9b}"), "a\\u{202e}b\\u{9b}");
        assert_eq!(shown("/größe \"x\" \\ 🦀"), "/größe \"x\" \\ 🦀");
    }

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(bare("größe_1"), "größe_1");
        assert_eq!(bare("a b\u{1b}`"), "`a b\\u{1b}\\``");
        assert_eq!(bare(""), "``");
    }
}
