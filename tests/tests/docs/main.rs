//! What the documents say about the project is true: the tests and files that they name exist, every error type is listed,
//! CI looks for all names in /dev/shm, and the sizes are those of the types.

use std::fs;
use std::path::{Path, PathBuf};

use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of every Rust file below `folder`.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}")) {
        let path = entry.unwrap().path();
        let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && !path.ends_with("target") {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// The documents, with their paths.
fn documents() -> Vec<(PathBuf, String)> {
    let files = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "shm-cli/README.md",
        "shm-core/README.md",
        "shm-derive/README.md",
        "shm-core/docs/guide.md",
        "shm-core/docs/format.md",
        "shm-core/docs/crash-model.md",
        "shm-core/docs/performance.md",
        "shm-core/docs/choosing.md",
        "shm-core/docs/patterns.md",
        "shm-core/docs/recovery.md",
        "tests/README.md",
        "tests/ui/README.md",
    ];
    files
        .iter()
        .map(|file| {
            let path = root().join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
            (path, text)
        })
        .collect()
}

#[test]
fn every_test_named_in_the_documents_exists() {
    let mut rust = String::new();
    for folder in ["shm-core", "shm-derive", "examples", "tests"] {
        sources(&root().join(folder), &mut rust);
    }
    let mut found = 0;
    for (path, text) in documents() {
        let names = text.split('`').skip(1).step_by(2).filter(|code| {
            code.matches('_').count() > 2
                && code
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        });
        for name in names {
            assert!(
                rust.contains(&format!("fn {name}(")) || rust.contains(&format!("fn {name}<")),
                "{path:?} names the test `{name}`, which does not exist"
            );
            found += 1;
        }
    }
    assert!(found > 200, "only {found} were found");
}

#[test]
fn the_guides_table_has_every_error_type() {
    let guide = fs::read_to_string(root().join("shm-core/docs/guide.md")).unwrap();
    let mut rust = String::new();
    sources(&root().join("shm-core/src"), &mut rust);
    // In the first column, with or without path and parameter: "`sync::SendError<T>`, `TrySendError<T>`".
    let types: Vec<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter_map(|code| code.split('<').next()?.rsplit("::").next())
        .collect();
    let mut found = 0;
    for line in rust.lines().filter(|line| line.starts_with("impl")) {
        if let Some((_, name)) = line.split_once(" Error for ") {
            let name = name.split(['<', ' ']).next().unwrap();
            assert!(
                types.contains(&name),
                "shm-core/docs/guide.md has no row for {name}"
            );
            found += 1;
        }
    }
    assert!(found > 15, "only {found} were found");
}

/// The word after each `key` of a text, as far as it can be part of a name.
fn behind<'t>(text: &'t str, key: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(key).skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-./".contains(c)));
        rest[..end.unwrap_or(rest.len())].trim_end_matches('.')
    })
}

/// The text of every file below `folder` with this ending.
fn texts(folder: &Path, extension: &str, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, extension, into);
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// `tests/ui` has the compiler's messages word for word, with other names of structs.
#[test]
fn the_guides_table_quotes_the_compilers_errors() {
    let guide = fs::read_to_string(root().join("shm-core/docs/guide.md")).unwrap();
    let mut messages = String::new();
    texts(&root().join("tests/ui"), "stderr", &mut messages);
    let messages = messages.replace("`Plain`", "`Data`");
    // Those that need a crate of their own.
    let renamed = root().join("tests/tests/derive/renamed.rs");
    let messages = messages + &fs::read_to_string(renamed).unwrap();
    let (_, section) = guide.split_once("## What the compiler says\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut found = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        // With two backticks where the message has some.
        let quotes = row.split("``").skip(1).step_by(2).map(str::trim);
        for quote in quotes {
            assert!(messages.contains(quote), "no error says {quote}");
            found += 1;
        }
    }
    assert!(found > 25, "only {found} were found");
}

#[test]
fn every_command_in_the_documents_exists() {
    let mut rust = String::new();
    for folder in [
        "shm-core",
        "shm-derive",
        "shm-cli",
        "examples",
        "tests",
        "benches",
    ] {
        sources(&root().join(folder), &mut rust);
    }
    let manifests = ["benches", "examples", "shm-cli", "tests"].map(|package| {
        fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap_or_default()
    });
    // Cargo discovers it, or a manifest names it.
    let target = |folder: &str, name: &str| {
        let file = root().join(folder).join(format!("{name}.rs"));
        let directory = root().join(folder).join(name).join("main.rs");
        let named = manifests
            .iter()
            .any(|manifest| manifest.contains(&format!("name = \"{name}\"")));
        file.exists() || directory.exists() || named
    };
    let mut found = 0;
    for (path, text) in documents() {
        for (key, folders) in [
            ("--test ", ["tests/tests", "shm-cli/tests"].as_slice()),
            ("--bin ", &["benches/src/bin"]),
            ("--bench ", &["benches/benches"]),
            ("--example ", &["examples/examples"]),
        ] {
            for name in behind(&text, key).filter(|name| !name.is_empty()) {
                let exists = folders.iter().any(|folder| target(folder, name));
                assert!(exists, "{path:?} runs {key}{name}");
                found += 1;
            }
        }
        let commands = text.split("-p shm-benches").skip(1);
        let arguments = commands.filter_map(|rest| rest.lines().next()?.split_once(" -- "));
        for row in arguments.flat_map(|(_, words)| words.split([' ', '`'])) {
            if row.starts_with(|first: char| first.is_ascii_lowercase()) && !row.contains('/') {
                assert!(
                    rust.contains(&format!("\"{row}\"")),
                    "{path:?} runs the row {row}"
                );
                found += 1;
            }
        }
        for name in behind(&text, "ci/") {
            let file = root().join("ci").join(name);
            let hidden = root().join(".ci").join(name);
            assert!(file.exists() || hidden.exists(), "{path:?} names ci/{name}");
            found += 1;
        }
        for name in behind(&text, "SHM_") {
            assert!(
                rust.contains(&format!("SHM_{name}")),
                "{path:?} sets SHM_{name}"
            );
            found += 1;
        }
    }
    assert!(found > 60, "only {found} were found");
}

#[test]
fn every_link_in_the_documents_has_a_target() {
    let mut links = 0;
    for (path, text) in documents() {
        let inline = text
            .split("](")
            .skip(1)
            .map(|link| link.split(')').next().unwrap());
        let references = definitions(&text).map(|(_, target)| target);
        for target in inline.chain(references) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let leads_to = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            assert!(leads_to.exists(), "{path:?} links to {target}");
            if !anchor.is_empty() {
                let there = fs::read_to_string(&leads_to).unwrap();
                let found = there
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| slug(line) == anchor);
                assert!(found, "{path:?} links to {target}");
            }
            links += 1;
        }
    }
    assert!(links > 20, "only {links} links were found");
}

/// The references of a document with their targets: lines such as `[guide]: guide.md`.
fn definitions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
}

#[test]
fn every_link_between_pages_has_a_target_in_the_crates_docs() {
    let folder = root().join("shm-core/docs");
    let links = fs::read_to_string(root().join("shm-core/src/guide/links.md")).unwrap();
    let mut found = 0;
    for (path, text) in documents() {
        if path.parent().unwrap() != folder {
            continue;
        }
        for (label, target) in definitions(&text) {
            let there = definitions(&links).find(|(defined, _)| *defined == label);
            let (_, module) = there.unwrap_or_else(|| panic!("links.md has no [{label}]"));
            let fragment = |link: &str| link.split_once('#').map(|(_, to)| to.to_owned());
            assert_eq!(fragment(module), fragment(target), "{path:?}: [{label}]");
            found += 1;
        }
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            assert!(
                target.starts_with('#') || target.contains("://"),
                "{path:?} links to {target}, which the crate's documentation cannot follow: use a reference"
            );
        }
    }
    assert!(found > 5, "only {found} were found");
}

#[test]
fn ci_looks_for_every_kind_of_name_that_tests_create() {
    let run = fs::read_to_string(root().join(".ci/run")).unwrap();
    let known: Vec<&str> = run
        .split("-name '")
        .skip(1)
        .map(|rest| rest.split("*'").next().unwrap())
        .collect();
    let mut text: String = documents().into_iter().map(|(_, text)| text).collect();
    for folder in ["shm-core", "shm-derive", "examples", "tests", "benches"] {
        sources(&root().join(folder), &mut text);
    }
    // In two parts, so that the search does not find this line.
    let key = concat!("format!(\"", "/");
    let mut found = 0;
    for rest in text.split(key).skip(1) {
        let name = rest.split(['{', '"']).next().unwrap();
        // A name that begins with a placeholder comes from `Names`; one with a second `/` is a path.
        if !name.is_empty() && !name.contains('/') {
            let is_known = known.iter().any(|kind| match kind.strip_prefix('*') {
                Some(inner) => name.contains(inner),
                None => name.starts_with(kind),
            });
            assert!(is_known, ".ci/run does not look for {name}*");
            found += 1;
        }
    }
    assert!(found > 20, "only {found} names were found");
}

/// A number with thousands separators, as in the documents.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_documented_sizes_are_those_of_the_types() {
    type Line = [u64; 8];
    type Large = [u64; 1 << 17];
    const fn up(size: usize) -> usize {
        size.next_multiple_of(128)
    }
    assert_eq!(size_of::<Large>(), 1 << 20);
    let text = fs::read_to_string(root().join("shm-core/docs/choosing.md")).unwrap();
    let row = |name: &str, formula: fn(usize) -> usize, small: usize, large: usize| {
        assert_eq!(
            [formula(size_of::<Line>()), formula(size_of::<Large>())],
            [small, large]
        );
        let (name, numbers) = (
            format!("| {name} | "),
            format!(" | {} | {} |", grouped(small), grouped(large)),
        );
        let is_it = |line: &str| line.starts_with(&name) && line.ends_with(&numbers);
        assert!(text.lines().any(is_it), "no row {name}..{numbers}");
    };
    row("plain cells", |size| size, Line::SIZE, Large::SIZE);
    row(
        "`SeqLock<T, K>`, 4 slots",
        |size| 256 + 4 * up(size),
        SeqLock::<Line>::SIZE,
        SeqLock::<Large>::SIZE,
    );
    row(
        "`Mutex<T>`",
        |size| size + 8,
        Mutex::<Line>::SIZE,
        Mutex::<Large>::SIZE,
    );
    row(
        "`Ring<T, N>`, 64 messages",
        |size| 768 + up(64 * size),
        Ring::<Line, 64>::SIZE,
        Ring::<Large, 64>::SIZE,
    );
    row(
        "`Broadcast<T, N>`, 64 messages",
        |size| 256 + up(64 * size),
        Broadcast::<Line, 64>::SIZE,
        Broadcast::<Large, 64>::SIZE,
    );
    // Odd sizes and small alignments.
    assert_eq!(SeqLock::<[u8; 129], 3>::SIZE, 256 + 3 * 256);
    assert_eq!(Mutex::<[u8; 5]>::SIZE, 12);
    assert_eq!(Ring::<[u8; 3], 5>::SIZE, 768 + 128);
    assert_eq!(Broadcast::<[u8; 3], 43>::SIZE, 256 + 256);
    assert_eq!([Semaphore::SIZE, Event::SIZE], [4, 8]);
    assert_eq!([Barrier::<1>::SIZE, Barrier::<4>::SIZE], [16, 40]);
    assert!(text.contains("| `Barrier<N>` | 8 + 8 times `N` |"));
    assert!(text.contains("| `Semaphore` | 4 |"));
    assert!(text.contains("| `Event` | 8 |"));
}

/// A heading's anchor: lower case, dashes for spaces, no punctuation.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}
