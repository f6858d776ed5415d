//! What the compiler says to each mistake, word by word, and what it accepts.
//!
//! The expected messages are those of one compiler version: with another one only this suite is skipped. After a
//! change, `TRYBUILD=overwrite cargo test -p shm-tests --test ui` writes them anew; read each before you commit it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler whose words are kept in the `.stderr` files.
const BLESSED: &str = "rustc 1.95.";

#[test]
fn ui() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(BLESSED) {
        eprintln!("skipped: the messages are those of {BLESSED}*, and this is {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.pass("ui/accepted/*.rs");
    cases.compile_fail("ui/refused/*.rs");
    cases.compile_fail("ui/misused/*.rs");
}

/// The compiler reports these mistakes itself as well, and at length.
const LONGER: [&str; 3] = ["recursive", "slice_in_the_middle", "tail_in_tail"];

/// The kept messages about definitions, each with its file's name.
fn refusals() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/refused");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let messages: Vec<(String, String)> = files
        .map(|file| file.expect("it can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "stderr")
        })
        .map(|path: PathBuf| {
            let name = path
                .file_stem()
                .expect("it has a name")
                .to_string_lossy()
                .into_owned();
            (
                name,
                std::fs::read_to_string(&path).expect("messages are text"),
            )
        })
        .collect();
    assert!(messages.len() >= 90, "{} cases", messages.len());
    messages
}

#[test]
fn each_error_is_short_and_points_at_the_users_code() {
    for (name, text) in refusals() {
        for error in text.split("\nerror").map(str::trim) {
            if !LONGER.contains(&name.as_str()) {
                assert!(
                    error.lines().count() <= 12,
                    "{name}: an error of more than 12 lines:\n{error}"
                );
            }
            let place = error.lines().nth(1).unwrap_or_default();
            assert!(
                place.contains(&format!("--> ui/refused/{name}.rs:")),
                "{name} points elsewhere: {place}"
            );
            // Hidden items are an offence; `why` is a page of the documentation.
            assert!(
                !error.contains("__private"),
                "{name} speaks of a hidden item:\n{error}"
            );
        }
    }
}

#[test]
fn nearly_all_errors_point_at_a_field_or_an_attribute() {
    let (mut at_part, mut all) = (0, Vec::new());
    for (name, text) in refusals() {
        for error in text.split("\nerror").map(str::trim) {
            // The first line of code that is underlined.
            let lines: Vec<&str> = error.lines().collect();
            let underlined = lines
                .iter()
                .position(|line| line.contains('^'))
                .map(|at| lines[at - 1]);
            let code = underlined
                .and_then(|line| line.split_once('|'))
                .map_or("", |(_, code)| code);
            // A field, variant or attribute, and for a missing `repr` or a `Drop` the struct itself. The derive would
            // say nothing about where the mistake is.
            if code.contains("derive(") {
                all.push(name.clone());
            } else {
                at_part += 1;
            }
        }
    }
    assert!(
        at_part * 100 >= 95 * (at_part + all.len()),
        "these point at the derive: {all:?}"
    );
}
