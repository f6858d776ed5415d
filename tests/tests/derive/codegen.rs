//! Access through cells is free: the compiler generates the same instructions as for a raw pointer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `codegen/` to assembly and returns the instructions of each function.
fn assembly(features: &[&str], target: &Path) -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "rustc",
            "--quiet",
            "--release",
            "--lib",
            "--locked",
            "--package",
            "shm-codegen",
        ])
        .args(features)
        .arg("--target-dir")
        .arg(target)
        .args(["--", "--emit", "asm", "-C", "codegen-units=1"])
        // Ignores the flags of this test's build: the comparison is about optimised code.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the functions compile");
    let files: Vec<PathBuf> = std::fs::read_dir(target.join("release/deps"))
        .expect("the build has made this folder")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "s"))
        .collect();
    assert_eq!(files.len(), 1, "one crate, one file: {files:?}");
    functions(&std::fs::read_to_string(&files[0]).expect("assembly is text"))
}

/// The instructions of each function with an unmangled name.
fn functions(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    let mut current: Option<(String, Vec<String>)> = None;
    for line in text.lines() {
        if let Some(label) = line.strip_suffix(':') {
            if !label.starts_with(['.', '_']) && !label.starts_with(char::is_whitespace) {
                current = Some((label.to_owned(), Vec::new()));
            }
        } else if line.trim_start().starts_with(".cfi_endproc") {
            all.extend(current.take());
        } else if let Some((_, instructions)) = &mut current {
            let line = line.trim();
            if !line.starts_with('.') && !line.is_empty() && !line.starts_with('#') {
                instructions.push(plain(line));
            }
        }
    }
    all
}

/// An instruction without the names of labels and constants, which differ between two crates.
fn plain(instruction: &str) -> String {
    let words = instruction.split_inclusive([' ', '\t', ',', '(']);
    words
        .map(|word| match word.find(".L") {
            Some(at) => format!(
                "{}LABEL{}",
                &word[..at],
                word.trim_start_matches(|c: char| !",( \t".contains(c))
            ),
            None => word.to_owned(),
        })
        .collect()
}

#[test]
fn cells_compile_to_what_a_raw_pointer_compiles_to() {
    // A separate folder: the build must neither wait for nor disturb the one that runs this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codegen");
    for side in ["shm", "raw"] {
        let deps = target.join(side).join("release/deps");
        for entry in std::fs::read_dir(&deps).into_iter().flatten() {
            let path = entry.expect("it can be listed").path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("shm_codegen-"))
            {
                std::fs::remove_file(path).expect("an old result can be removed");
            }
        }
        // Otherwise cargo would find the crate built and write no assembly.
        let fingerprints = target.join(side).join("release/.fingerprint");
        for entry in std::fs::read_dir(&fingerprints).into_iter().flatten() {
            let path = entry.expect("it can be listed").path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("shm-codegen-"))
            {
                std::fs::remove_dir_all(path).expect("an old result can be removed");
            }
        }
    }
    let shm = assembly(&[], &target.join("shm"));
    let raw = assembly(&["--features", "raw"], &target.join("raw"));
    assert!(shm.len() >= 26, "the functions are there: {:?}", shm.keys());
    assert_eq!(
        shm.keys().collect::<Vec<_>>(),
        raw.keys().collect::<Vec<_>>()
    );
    for (name, instructions) in &shm {
        assert!(!instructions.is_empty(), "{name} has instructions");
        assert_eq!(
            *instructions, raw[name],
            "{name}: cells left, raw pointer right"
        );
    }
    if cfg!(target_arch = "x86_64") {
        let increment = &shm["increment"];
        assert_eq!(increment[0], "incq\t(%rdi)", "one instruction, in place");
        let in_new_field = &shm["grown_increment"];
        assert!(in_new_field[0].starts_with("incq\t"), "{in_new_field:?}");
    }
}
