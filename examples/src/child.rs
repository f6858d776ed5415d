//! Child processes that run this same program in another role, and how a program of several processes ends.

use std::error::Error;
use std::io::{self, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// What stands before the role on a child's command line. Not for people.
const AS: &str = "--as";

/// A process that this one has started. Dropping it kills it, and waits until it is gone; and it is killed when the thread
/// that has started it ends, also by a kill. So whatever ends the parent's work early, no child is left behind.
#[derive(Debug)]
pub struct Child {
    role: String,
    process: std::process::Child,
}

impl Child {
    /// Starts this program once more, as `role` and with `args`, which are what [`role`] returns there.
    ///
    /// # Errors
    ///
    /// When the system has no room for another process.
    pub fn start(role: &str, args: &[&str], stdin: Stdio) -> io::Result<Self> {
        let process = Command::new(std::env::current_exe()?)
            // What this one was started with leads there, too.
            .args(std::env::args_os().skip(1))
            .args([AS, &std::process::id().to_string(), role])
            .args(args)
            .stdin(stdin)
            .spawn()?;
        let role = role.to_owned();
        Ok(Self { role, process })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it as `kill -9` does, wherever it is in its work, and waits until it is gone. Returns how it has ended, which
    /// may have been before.
    ///
    /// # Errors
    ///
    /// When the system refuses either, which it does not for a child.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.process.kill()?;
        self.process.wait()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// When it has not ended well. What it had to say about that, it has said on standard error.
    pub fn wait(mut self) -> io::Result<()> {
        let (status, id) = (self.process.wait()?, self.id());
        if status.success() {
            return Ok(());
        }
        let text = format!("the {} (process {id}) ended with {status}", self.role);
        Err(io::Error::other(text))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both do nothing to a process that was waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The role that this process was started for by [`Child::start`], and its arguments. `None` in the parent.
///
/// # Errors
///
/// In a child, when its parent has ended already.
pub fn role() -> io::Result<Option<(String, Vec<String>)>> {
    let mut args = std::env::args_os().skip_while(|arg| arg != AS).skip(1);
    let mut text = || Some(args.next()?.to_string_lossy().into_owned());
    let Some((parent, role)) = text().zip(text()) else {
        return Ok(None);
    };
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // It may have gone before that.
    if parent != getppid().to_string() {
        return Err(io::Error::other("what has started this process has ended"));
    }
    Ok(Some((role, std::iter::from_fn(text).collect())))
}

/// Ends a process: with the reason on standard error, where there is one. That nobody reads the output any more, as with
/// `| head`, is none.
#[must_use]
pub fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if io == Some(io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}
