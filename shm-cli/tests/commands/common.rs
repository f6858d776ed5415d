//! Running the command.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

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
        .env("NO_COLOR", "1");
    command
}

/// Runs the command to its end.
pub(crate) fn shm(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    let output = output(command().args(arguments));
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

/// Runs a program to its end. Between `fork` and `exec` it has no copies of descriptors of this process that other tests rely on.
pub(crate) fn output(command: &mut Command) -> Output {
    let child = shm_tests::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
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
