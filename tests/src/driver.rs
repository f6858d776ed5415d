//! Starts peers, talks to them line by line, and makes sure that none remains.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use shm_core::ShmError;

/// How long to wait for any answer. Generous: on a loaded machine a test should be slow and not fail.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Locked shared while a child starts. Between `fork` and `exec` a child has copies of all descriptors of this process, and
/// with them the locks of all segments that any test has open here.
static STARTING: RwLock<()> = RwLock::new(());

/// Starts a child. Tests start all children by this or by [`Peer`], so that [`no_child_starts`] holds.
///
/// # Errors
///
/// Those of [`Command::spawn`].
pub fn start(command: &mut Command) -> io::Result<Child> {
    let _starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// While the guard lives, no thread of this process starts a child, so only this process holds the locks of segments that
/// are open here. For tests that look at such locks. The thread that holds the guard must not start a child either.
pub fn no_child_starts() -> RwLockWriteGuard<'static, ()> {
    STARTING.write().unwrap_or_else(PoisonError::into_inner)
}

/// A process that runs the peer program. Dropping this closes its input, at which it should exit with success. If it does
/// not, or the test has failed, it is killed.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    reaped: bool,
}

impl Peer {
    /// Starts a peer from the path of the program.
    #[must_use]
    pub fn start(program: &str) -> Self {
        Self::spawn(&mut Command::new(program))
    }

    /// Starts a peer from a prepared command.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = start(command).expect("the peer starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("stdout is a pipe");
        let (sender, lines) = channel();
        // A thread reads the output, because a pipe cannot be read with a deadline. It ends with the peer.
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            input,
            lines,
            reader: Some(reader),
            reaped: false,
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a command without waiting for the answer.
    ///
    /// # Panics
    ///
    /// If the peer has exited.
    pub fn tell(&mut self, command: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{command}").expect("the peer takes commands");
    }

    /// Waits for the next line.
    ///
    /// # Panics
    ///
    /// If the peer exits instead, or prints nothing before the [`DEADLINE`].
    pub fn hear(&mut self) -> String {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the peer says nothing"),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the peer ended: {:?}", self.child.wait())
            }
        }
    }

    /// A line that has already arrived, if any.
    #[must_use]
    pub fn heard(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Stops it (SIGSTOP) until it is killed, and waits until it has stopped.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn stop(&self) {
        let pid = nix::unistd::Pid::from_raw(self.pid().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).expect("the peer is there");
        // Its exit is left for others to wait for.
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(pid), flags).expect("the peer is a child");
    }

    /// Sends a command and returns the answer, whatever it is.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.hear()
    }

    /// Sends a command that must succeed and returns the result.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[track_caller]
    pub fn ok(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        match answer.strip_prefix("ok") {
            Some(result) => result.trim_start().to_owned(),
            None => panic!("`{command}` gave `{answer}`"),
        }
    }

    /// Sends a command that must fail with this variant of [`ShmError`], and returns the message.
    ///
    /// # Panics
    ///
    /// If it succeeds or fails otherwise.
    #[track_caller]
    pub fn refused(&mut self, command: &str, variant: &str) -> String {
        let answer = self.ask(command);
        match answer
            .strip_prefix("err ")
            .and_then(|rest| rest.split_once(' '))
        {
            Some((found, text)) if found == variant => text.to_owned(),
            _ => panic!("`{command}` gave `{answer}` instead of {variant}"),
        }
    }

    /// Kills it (SIGKILL) and waits until the kernel has torn it down.
    ///
    /// # Panics
    ///
    /// If it exited before.
    #[track_caller]
    pub fn kill(&mut self) {
        self.child.kill().expect("the peer is there");
        let status = self.child.wait().expect("the peer can be waited for");
        self.reaped = true;
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{status:?}");
    }

    /// Closes its input, at which it drops everything and exits, and checks that it succeeded.
    ///
    /// # Panics
    ///
    /// If it does not exit, or fails.
    #[track_caller]
    pub fn end(mut self) {
        self.input = None;
        let status = self.wait();
        assert!(status.success(), "{status:?}");
    }

    /// Waits until it exits.
    ///
    /// # Panics
    ///
    /// If it prints something instead, or does not exit before the [`DEADLINE`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => panic!("the peer says `{line}` instead of ending"),
            Err(RecvTimeoutError::Timeout) => panic!("the peer does not end"),
            Err(RecvTimeoutError::Disconnected) => {}
        }
        self.reaped = true;
        self.child.wait().expect("the peer can be waited for")
    }

    /// Whether its output ends, as it does when the process exits, before the [`DEADLINE`].
    fn output_ends(&self) -> bool {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The peer exits at this and removes its names; so do fork children that it left.
        self.input = None;
        let failed = if self.reaped {
            None
        } else if thread::panicking() {
            // The failure may be that it does not exit.
            let _ = self.child.kill();
            let _ = self.child.wait();
            None
        } else {
            let ended = self.output_ends();
            let _ = self.child.kill();
            let status = self.child.wait();
            let success = status.as_ref().is_ok_and(ExitStatus::success);
            (!ended || !success).then_some(status)
        };
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        assert!(failed.is_none(), "the peer did not end well: {failed:?}");
    }
}

/// The name of an error's variant.
#[must_use]
pub fn variant(error: &ShmError) -> String {
    // `Debug` is the text, and then the variant and its fields in parentheses.
    let (text, debug) = (error.to_string(), format!("{error:?}"));
    debug[text.len()..]
        .trim_start_matches(" (")
        .chars()
        .take_while(|character| character.is_alphanumeric())
        .collect()
}
