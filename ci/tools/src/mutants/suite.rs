//! Runs a test program until a test fails, all have passed, or none has ended for a while.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// A change may keep several tests from ending, and others are to fail meanwhile.
const THREADS: &str = "8";

/// `unshare` with these ends all processes of the program when it is killed itself.
const NAMESPACES: [&str; 4] = ["--mount", "--pid", "--fork", "--mount-proc"];

/// Gives the program a `/dev/shm` of its own, since a changed sweep may remove segments of other programs, and its own files,
/// whose names are unique among its own processes only.
const APART: &str =
    "mount -t tmpfs -o size=4g tmpfs /dev/shm && mount -t tmpfs tmpfs /mnt && TMPDIR=/mnt \"$@\"";

/// The name of the program with the models under loom.
pub(super) const MODELS: &str = "models";

/// A test program, and the folder in which cargo would start it.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) file: PathBuf,
    pub(super) folder: PathBuf,
}

/// What to run.
pub(super) struct Run<'a> {
    /// Not all tests, but these.
    pub(super) tests: Vec<String>,
    /// The change to make, or 0.
    pub(super) number: usize,
    /// How long no test may end.
    pub(super) quiet: Duration,
    /// Whether to run in namespaces.
    pub(super) apart: bool,
    /// A file with a byte for each number, which is set if the change is reached.
    pub(super) reached: Option<&'a Path>,
}

/// How a run ended.
pub(super) struct Ended {
    pub(super) end: End,
    /// The tests that passed.
    pub(super) passed: Vec<String>,
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
    /// The names of its tests, except for those of seeded mistakes. Of the models, other tests do not run under loom.
    pub(super) fn tests(&self) -> Result<Vec<String>, String> {
        let output = Command::new(&self.file)
            .args(["--list", "--skip", "caught"])
            .current_dir(&self.folder)
            .output()
            .map_err(|error| format!("{}: {error}", self.file.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let start = if self.name == MODELS {
            "protocol::loom"
        } else {
            ""
        };
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(names
            .filter(|name| name.starts_with(start))
            .map(str::to_owned)
            .collect())
    }

    pub(super) fn run(&self, run: &Run<'_>) -> Result<Ended, String> {
        let mut command = if run.apart {
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
        if let Some(reached) = run.reached {
            command.env("SHM_MUTANTS_REACHED", reached);
        }
        let mut child = command
            .arg("--exact")
            .args(&run.tests)
            .current_dir(&self.folder)
            .env("SHM_MUTANT", run.number.to_string())
            .env("RUST_TEST_THREADS", THREADS)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.file.display()))?;
        let ended = watch(&mut child, run.quiet);
        // It may have ended.
        let _ = child.kill();
        child.wait().map_err(|error| error.to_string())?;
        Ok(ended)
    }
}

/// Reads the results of tests as they come.
fn watch(child: &mut Child, quiet: Duration) -> Ended {
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
    let mut passed = Vec::new();
    loop {
        let end = match lines.recv_timeout(quiet) {
            Ok(line) => {
                passed.extend(passed_by(&line).map(str::to_owned));
                result_of(&line)
            }
            Err(RecvTimeoutError::Timeout) => Some(End::Hangs),
            Err(RecvTimeoutError::Disconnected) => Some(End::Crashed),
        };
        if let Some(end) = end {
            return Ended { end, passed };
        }
    }
}

/// The test that passed, by a line of the output.
fn passed_by(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... ok")
}

/// What a line of the output says about the end of all tests.
pub(super) fn result_of(line: &str) -> Option<End> {
    if line.starts_with("test result: ok.") {
        return Some(End::Passed);
    }
    let failed = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(End::Failed(failed.to_owned()))
}
