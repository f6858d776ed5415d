//! Tests of the verbs about layouts: `layout`, `diff` and `export`.
//!
//! Snapshots are in `snapshots/`. Write them again with `SNAPSHOTS=overwrite cargo test -p shm-cli --test layouts`.

mod diff;
mod export;
mod layout;
mod types;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other test uses.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("/shm-cli-layouts-{}-{number}", std::process::id())
}

/// What the command printed, and how it ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `shm` in a locale of UTF-8.
fn shm(args: &[&str]) -> Ran {
    shm_in("C.UTF-8", args)
}

/// Runs `shm` in a locale.
fn shm_in(locale: &str, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_shm"))
        .args(args)
        .env("LC_ALL", locale)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What was printed, without errors.
    #[track_caller]
    fn found(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(code), ""),
            "{}",
            self.out
        );
        self.out
    }

    /// The error, with the exit code.
    #[track_caller]
    fn refused(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(code), ""),
            "{}",
            self.err
        );
        self.err
    }
}
