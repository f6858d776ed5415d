//! Running the command.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::RwLock;
use std::sync::mpsc::{self, Receiver};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::ShmLayout;
use shm_tests::{DEADLINE, Names};

/// What the command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The command without what surrounds the test: no colors, no terminal, no other programs.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shm"));
    command
        .stdin(Stdio::null())
        .env_remove("SHM_COMPLETE")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env("NO_COLOR", "1");
    command
}

/// Until a child has called `exec`, it has mapped all that this process has, so it is a user of every segment of every test. The
/// commands that look for users run alone: meanwhile no test starts a program.
pub(crate) static STARTING: RwLock<()> = RwLock::new(());

/// The commands whose result depends on the users of a segment.
const LOOK_FOR_USERS: [&str; 7] = ["check", "dump", "ls", "restore", "rm", "set", "sweep"];

/// Starts a program. Between `fork` and `exec` it has no copies of descriptors of this process that other tests rely on.
pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
    let _starting = STARTING.read();
    shm_tests::start(command)
}

/// Runs the command to its end.
pub(crate) fn shm(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    let mut command = command();
    command.args(arguments);
    let mut given = command.get_args();
    let output = if given.any(|word| LOOK_FOR_USERS.iter().any(|name| word == *name)) {
        let _alone = STARTING.write();
        let child = shm_tests::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let child = child.expect("the program starts");
        child.wait_with_output().expect("the output can be read")
    } else {
        output(&mut command)
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output
            .status
            .code()
            .unwrap_or_else(|| panic!("ended by signal {:?}: {output:?}", output.status.signal())),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Leaves an orphaned segment of a `u64` under the name: a file that no process has locked.
pub(crate) fn orphan(name: &str) {
    let made = u64::create(name).expect("a segment");
    let bytes = fs::read(Names::path(name)).expect("a segment can be read");
    drop(made);
    fs::write(Names::path(name), bytes).expect("the name is free");
}

/// Runs a program to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    let child = start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let child = child.expect("the program starts");
    child.wait_with_output().expect("the output can be read")
}

impl Ran {
    /// Panics unless the exit code is this one.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// A command that runs beside the test. It is killed if the test fails.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = command();
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = start(&mut command).expect("the program starts");
        let out = child.stdout.take().expect("it is a pipe");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line of the output. `None` at its end.
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line within the deadline"),
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("the program runs");
    }

    /// The remaining output, the errors and the exit code.
    pub(crate) fn end(mut self) -> Ran {
        let mut out = String::new();
        while let Some(line) = self.line() {
            out.push_str(&line);
            out.push('\n');
        }
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().expect("it is a pipe");
        stderr.read_to_string(&mut err).expect("it is text");
        let status = self.child.wait().expect("it is a child");
        Ran {
            code: status.code().unwrap_or_else(|| panic!("{status}: {err}")),
            out,
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the command on a terminal of so many columns and rows, and returns what it printed, without colors.
pub(crate) fn on_terminal(
    size: (u16, u16),
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> String {
    let mut command = command();
    command.args(arguments);
    run_on_terminal(size, command)
}

/// [`on_terminal`] for a command with its arguments.
pub(crate) fn run_on_terminal((columns, rows): (u16, u16), mut command: Command) -> String {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let terminal = openpty(&size, None).expect("the system has terminals");
    command.stdout(terminal.slave);
    let mut child = start(&mut command).expect("the program starts");
    // It has a copy of the other end, without which reading would not end.
    drop(command);
    let mut bytes = Vec::new();
    // The end of a terminal is the error EIO.
    let _ = File::from(terminal.master).read_to_end(&mut bytes);
    assert!(child.wait().expect("the program ends").success());
    String::from_utf8(bytes)
        .expect("text")
        .replace("\r\n", "\n")
}
