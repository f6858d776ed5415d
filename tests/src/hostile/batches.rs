//! Many files in several processes.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::{count_from_env, scope};

/// The files of one process. Each schema that is accepted takes memory for as long as the process lives.
const BATCH: u64 = 2500;

/// Set in the processes that are started: the first file of theirs.
const FIRST: &str = "SHM_HOSTILE_FIRST";

/// Calls `check` with the first file and the number of files if this process was started for them. Otherwise it runs the test with this
/// name in processes of its own, one for each processor at a time, until as many files were checked as the variable says, and returns
/// what each process has printed.
///
/// # Panics
///
/// If one of the processes fails.
pub fn in_batches(
    test: &str,
    variable: &str,
    default: u64,
    check: impl FnOnce(u64, u64),
) -> Option<(u64, Vec<String>)> {
    let files = count_from_env(variable, default);
    if std::env::var_os(FIRST).is_some() {
        check(count_from_env(FIRST, 0), files.min(BATCH));
        return None;
    }
    let run = |first: u64| {
        let output = Command::new(std::env::current_exe().expect("this program has a path"))
            .args([test, "--exact", "--nocapture"])
            .env(FIRST, first.to_string())
            .env(variable, (files - first).to_string())
            .output()
            .expect("this program can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "from {first}: {text}\n{errors}");
        text
    };
    let next = AtomicU64::new(0);
    let printed = Mutex::new(Vec::new());
    let processors = thread::available_parallelism().map_or(1, usize::from);
    scope(|scope| {
        for _ in 0..processors {
            scope.start(|| {
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= files {
                        return;
                    }
                    let text = run(first);
                    printed.lock().expect("no process has failed").push(text);
                }
            });
        }
    });
    let printed = printed.into_inner().expect("no process has failed");
    Some((files, printed))
}

/// The number in the line that begins with `name`.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn number_after(name: &str, printed: &str) -> u64 {
    let line = printed.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no number after {name}: {printed}"))
}
