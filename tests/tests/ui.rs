//! What the compiler says to each mistake, word by word, and what it accepts.
//!
//! The expected messages are those of one compiler version: with another one only this suite is skipped. After a
//! change, `TRYBUILD=overwrite cargo test -p shm-tests --test ui` writes them anew; read each before you commit it.

use std::process::Command;

/// The compiler whose words are kept in `ui/refused/*.stderr`.
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
}
