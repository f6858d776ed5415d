//! Starting peers, talking to them line by line, and making sure that none is left.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shm_core::ShmError;

/// How long to wait for any answer. Generous: on a loaded machine a test should be slow and not fail.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A process that runs the peers' program. It is killed and reaped when this is dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Peer {
    /// Starts one from the path of the program.
    #[must_use]
    pub fn start(program: &str) -> Self {
        Self::spawn(&mut Command::new(program))
    }

    /// Starts one from a command of the caller's making.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the peer starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("stdout is a pipe");
        let (sender, lines) = channel();
        // A thread of its own, because a pipe cannot be read with a deadline. It ends with the peer.
        let reader = std::thread::spawn(move || {
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
        }
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a command without waiting for the answer.
    ///
    /// # Panics
    ///
    /// If the peer is gone.
    pub fn tell(&mut self, command: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{command}").expect("the peer takes commands");
    }

    /// Waits for the next line.
    ///
    /// # Panics
    ///
    /// If the peer ends instead, or says nothing until the [`DEADLINE`].
    pub fn hear(&mut self) -> String {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the peer says nothing"),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the peer ended: {:?}", self.child.wait())
            }
        }
    }

    /// Sends a command and returns the answer, whatever it is.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.hear()
    }

    /// Sends a command that should succeed and returns the result.
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

    /// Sends a command that should be refused with this variant of [`ShmError`], and returns the message.
    ///
    /// # Panics
    ///
    /// If it succeeds or is refused otherwise.
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

    /// Kills it (SIGKILL) and waits until the kernel has taken it apart.
    ///
    /// # Panics
    ///
    /// If it ended by itself before.
    #[track_caller]
    pub fn kill(&mut self) {
        self.child.kill().expect("the peer is there");
        let status = self.child.wait().expect("the peer can be waited for");
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{status:?}");
    }

    /// Closes its input, at which it drops what it has and ends, and checks that it did so in order.
    ///
    /// # Panics
    ///
    /// If it does not end, or fails.
    #[track_caller]
    pub fn end(mut self) {
        self.input = None;
        let status = self.wait();
        assert!(status.success(), "{status:?}");
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// If it does not until the [`DEADLINE`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        // Its output ends with it.
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("the peer does not end"),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.child.wait().expect("the peer can be waited for")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // For fork children of the peer, which end when the input does.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// The name of an error's variant.
#[must_use]
pub fn variant(error: &ShmError) -> String {
    let text = format!("{error:?}");
    text.chars()
        .take_while(|character| character.is_alphanumeric())
        .collect()
}
