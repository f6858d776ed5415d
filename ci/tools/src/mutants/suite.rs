//! Runs a test program until a test fails, all have passed, or none has ended for a while.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A change may keep several tests from ending, and others are to fail meanwhile.
const THREADS: &str = "8";

/// `unshare` with these ends all processes of the program when it is killed itself.
const NAMESPACES: [&str; 4] = ["--mount", "--pid", "--fork", "--mount-proc"];

/// Gives the program a `/dev/shm` of its own, since a changed sweep may remove segments of other programs, and its own files,
/// whose names are unique among its own processes only.
const APART: &str =
    "mount -t tmpfs -o size=4g tmpfs /dev/shm && mount -t tmpfs tmpfs /mnt && TMPDIR=/mnt \"$@\"";

/// A test program, and the folder in which cargo would start it.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) file: PathBuf,
    pub(super) folder: PathBuf,
}

/// How the tests of a program ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Passed,
    /// With the name of the test.
    Failed(String),
    /// Without a result.
    Crashed,
    /// No test has ended for a while.
    Hangs,
}

/// Whether programs can be set apart.
pub(super) fn can_be_apart() -> bool {
    let tried = Command::new("unshare")
        .args(NAMESPACES)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

impl Program {
    /// Runs the tests that `filter` selects, with the change of this number. `quiet` is how long no test may end.
    /// Returns the longest time in which none did, too.
    pub(super) fn run(
        &self,
        filter: &[String],
        number: usize,
        quiet: Duration,
        apart: bool,
    ) -> Result<(End, Duration), String> {
        let mut command = if apart {
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "KILL", "unshare", "--kill-child"])
                .args(NAMESPACES)
                .args(["sh", "-c", APART, "sh"])
                .arg(&self.file);
            command
        } else {
            Command::new(&self.file)
        };
        let mut child = command
            .args(filter)
            .current_dir(&self.folder)
            .env("SHM_MUTANT", number.to_string())
            .env("RUST_TEST_THREADS", THREADS)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.file.display()))?;
        let end = watch(&mut child, quiet);
        // It may have ended.
        let _ = child.kill();
        child.wait().map_err(|error| error.to_string())?;
        Ok(end)
    }
}

/// Reads the results of tests as they come.
fn watch(child: &mut Child, quiet: Duration) -> (End, Duration) {
    let (sender, lines) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        // Ends with the last process that has the other end.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let is_result = line.starts_with("test ") && line.contains(" ... ");
                if is_result || line.starts_with("test result: ") {
                    let _ = sender.send(line);
                }
            }
        });
    }
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    loop {
        let line = lines.recv_timeout(quiet);
        longest = longest.max(last.elapsed());
        last = Instant::now();
        let end = match line {
            Ok(line) => result_of(&line),
            Err(RecvTimeoutError::Timeout) => Some(End::Hangs),
            Err(RecvTimeoutError::Disconnected) => Some(End::Crashed),
        };
        if let Some(end) = end {
            return (end, longest);
        }
    }
}

/// What a line of the output says about the end of all tests.
pub(super) fn result_of(line: &str) -> Option<End> {
    if line.starts_with("test result: ok.") {
        return Some(End::Passed);
    }
    let failed = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(End::Failed(failed.to_owned()))
}
