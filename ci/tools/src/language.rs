//! Finds phrases that plain technical English does without, and names that are too long to read.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::tracked;

/// The longest name of a function, tests included.
const LONGEST_NAME: usize = 60;

const EXTENSIONS: [&str; 6] = ["rs", "md", "sh", "stderr", "toml", "py"];

/// A phrase as the words that it consists of, and what to write in its place. `|` separates alternatives; `*` stands for
/// small letters.
const PHRASES: [(&[&str], &str); 7] = [
    (
        &["Who", "*s"],
        "begin with a noun: \"receivers that ..\", \"a process that ..\"",
    ),
    (
        &["for|by|of|to", "who"],
        "name it: \"for a process that ..\"",
    ),
    (&["is", "told"], "\"gets\", \"returns\", \"reports\""),
    (&["told", "of"], "\"reported\", \"returned\""),
    (&["not", "had"], "\"not acquired\", \"missing\""),
    (&["of", "one's", "own"], "\"your own\", \"a separate\""),
    (
        &["is", "waited", "for"],
        "make what waits the subject: \"`lock` waits for ..\"",
    ),
];

/// Something to write in another way.
#[derive(Debug, PartialEq)]
struct Found {
    line: usize,
    text: String,
    advice: String,
}

/// Checks the files that git tracks. `counted` gives numbers by folder instead of places.
pub(crate) fn run(counted: bool) -> Result<String, String> {
    let mut report = String::new();
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    let mut files = 0;
    for file in tracked::files(&EXTENSIONS)? {
        let path = Path::new(&file);
        files += 1;
        let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
        for Found { line, text, advice } in search(&text) {
            let folder = Path::new(".").join(path.parent().unwrap_or(Path::new("")));
            let folder = folder.display().to_string();
            *folders.entry(folder).or_default() += 1;
            let _ = writeln!(report, "{file}:{line}: {text}: write {advice}");
        }
    }
    let total: usize = folders.values().sum();
    if total == 0 {
        return Ok(format!("{files} files have none\n"));
    }
    if counted {
        report.clear();
        for (folder, count) in folders {
            let _ = writeln!(report, "{count:>5} {folder}");
        }
    }
    Err(format!("{report}{total} places"))
}

/// A word, its line, and whether only space and the beginning of a comment's line are between it and the word before.
struct Word<'t> {
    text: &'t str,
    line: usize,
    follows: bool,
}

fn search(text: &str) -> Vec<Found> {
    let words = words(text);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        for (phrase, advice) in PHRASES {
            let Some(candidate) = words.get(at..at + phrase.len()) else {
                continue;
            };
            let is_connected = candidate[1..].iter().all(|word| word.follows);
            if is_connected
                && candidate
                    .iter()
                    .zip(phrase)
                    .all(|(word, pattern)| is_match(word.text, pattern))
            {
                let text: Vec<&str> = candidate.iter().map(|word| word.text).collect();
                found.push(Found {
                    line: word.line,
                    text: format!("\"{}\"", text.join(" ")),
                    advice: advice.to_owned(),
                });
            }
        }
        if let Some(name) = words
            .get(at + 1)
            .filter(|name| word.text == "fn" && name.follows)
            && name.text.len() > LONGEST_NAME
        {
            found.push(Found {
                line: name.line,
                text: format!("`{}` has {} characters", name.text, name.text.len()),
                advice: format!("at most {LONGEST_NAME}"),
            });
        }
    }
    found
}

fn is_match(word: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => {
            let middle = word.strip_suffix(end);
            middle.is_some_and(|middle| {
                !middle.is_empty() && middle.bytes().all(|byte| byte.is_ascii_lowercase())
            })
        }
        None => pattern.split('|').any(|pattern| pattern == word),
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let begin = line.trim_start_matches([' ', '\t', '/', '!', '#', '|', '>', '*', '=']);
        let mut gap = words.last().map_or("", |_| " ");
        let mut rest = begin;
        while !rest.is_empty() {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '\'';
            let start = rest.find(is_part).unwrap_or(rest.len());
            let (between, from) = rest.split_at(start);
            let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            if word.is_empty() {
                // What ends this line separates its last word from the next line's first.
                if !between.trim().is_empty() {
                    words.push(Word {
                        text: "",
                        line: index + 1,
                        follows: false,
                    });
                }
                break;
            }
            let follows = between.trim().is_empty() && (!between.is_empty() || !gap.is_empty());
            words.push(Word {
                text: word,
                line: index + 1,
                follows,
            });
            gap = "";
            rest = after;
        }
        if begin.is_empty() {
            // An empty line ends a paragraph.
            words.push(Word {
                text: "",
                line: index + 1,
                follows: false,
            });
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::search;

    #[track_caller]
    fn assert_found(text: &str, expected: &[(usize, &str)]) {
        let found = search(text);
        let found: Vec<(usize, &str)> = found
            .iter()
            .map(|found| (found.line, found.text.as_str()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    // Each phrase in two parts, so that this file has none.
    #[test]
    fn a_phrase_is_found() {
        for (first, second) in [
            ("Who", "waits"),
            ("for", "who"),
            ("by", "who"),
            ("of", "who"),
            ("to", "who"),
            ("is", "told"),
            ("told", "of"),
            ("not", "had"),
            ("of one's", "own"),
            ("is", "waited for"),
        ] {
            let phrase = format!("{first} {second}");
            let expected = format!("\"{phrase}\"");
            assert_found(&format!("A line.\n- {phrase}, and"), &[(2, &expected)]);
            assert_found(&format!("\"{phrase}\""), &[(1, &expected)]);
            assert_found(
                &format!("    /// And {first}\n    /// {second}"),
                &[(1, &expected)],
            );
            assert_found(&format!("{first}\n{second}"), &[(1, &expected)]);
        }
    }

    #[test]
    fn what_only_looks_like_a_phrase_is_left() {
        for text in [
            "WhoIs told",
            "nobody who waits",
            "for whom",
            "not, had",
            "This is: told",
            "is\n\ntold",
            "is.\ntold",
            "//! is\n//!\n//! told",
            "[\"is\", \"told\"]",
            "is_told of",
        ] {
            assert_found(text, &[]);
        }
    }

    #[test]
    fn a_name_of_61_characters_is_too_long() {
        let long = format!("fn {}() {{}}", "a".repeat(61));
        let expected = format!("`{}` has 61 characters", "a".repeat(61));
        assert_found(&long, &[(1, &expected)]);
        assert_found(&format!("fn {}() {{}}", "a".repeat(60)), &[]);
        assert_found(&format!("{}()", "a".repeat(61)), &[]);
    }
}
