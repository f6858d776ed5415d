//! Runs the example programs and reads what they print.
//!
//! Nothing here waits for time to pass: it waits for a line, the end of the output or
//! an exit. The deadline only ends a test that would hang otherwise.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const DEADLINE: Duration = Duration::from_secs(60);

/// A segment name that no other test uses. Its file is removed if a test fails halfway.
pub(crate) struct Name(pub(crate) String);

impl Name {
    pub(crate) fn unique() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("/shm-examples-test-{}-{next}", std::process::id()))
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm{}", self.0))
    }

    pub(crate) fn exists(&self) -> bool {
        self.path().exists()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// A running example. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

/// How a program ended, and the lines it printed that nobody has read yet.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<String>,
    pub(crate) err: Vec<String>,
}

/// The command for an example program.
pub(crate) fn command(example: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shm-examples"));
    command.arg(example).args(args).stdin(Stdio::null());
    command
}

impl Program {
    pub(crate) fn start(example: &str, args: &[&str]) -> Self {
        Self::spawn(command(example, args).stdout(Stdio::piped()))
    }

    /// With standard output going where `command` says.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().map_or_else(|| channel().1, lines);
        let err = child.stderr.take().map_or_else(|| channel().1, lines);
        Self { child, out, err }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line on standard output.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(DEADLINE).expect("a line")
    }

    /// Waits for the next line on standard error.
    pub(crate) fn complaint(&self) -> String {
        self.err.recv_timeout(DEADLINE).expect("a complaint")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let rest = |lines: &Receiver<String>| {
            let mut rest = Vec::new();
            loop {
                match lines.recv_timeout(DEADLINE) {
                    Ok(line) => rest.push(line),
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return rest,
                    Err(timeout) => panic!("{timeout}, having said {rest:?}"),
                }
            }
        };
        // At the end of its output a program is at its end, so this wait is short.
        let (out, err) = (rest(&self.out), rest(&self.err));
        let status = self.child.wait().unwrap();
        Ended { status, out, err }
    }

    /// Kills it so that it cannot clean up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// It succeeded and printed no error.
    pub(crate) fn well(&self) {
        assert!(self.status.success() && self.err.is_empty(), "{self:?}");
    }

    /// It exited with code 1 and printed this one error.
    pub(crate) fn because(&self, complaint: &str) {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        assert_eq!(self.err, [complaint]);
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// The value of `key` in a line of `key=value` words.
pub(crate) fn word<'a>(line: &'a str, key: &str) -> &'a str {
    line.split(' ')
        .filter_map(|word| word.split_once('='))
        .find(|(found, _)| *found == key)
        .unwrap_or_else(|| panic!("no {key} in `{line}`"))
        .1
}

/// The numeric value of `key`.
pub(crate) fn number(line: &str, key: &str) -> u64 {
    word(line, key).parse().unwrap()
}
