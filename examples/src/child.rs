//! Child processes that run this program in another role, and exit codes.

use std::error::Error;
use std::io::{self, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// The internal argument before the role on a child's command line.
const AS: &str = "--as";

/// A child process. Dropping it kills the process and waits for it. The kernel also kills it when the thread that started
/// it ends, even if that is killed. So no child is left behind.
#[derive(Debug)]
pub struct Child {
    role: String,
    process: std::process::Child,
}

impl Child {
    /// Starts this program again with `role` and `args`, which [`role`] returns in the child.
    ///
    /// # Errors
    ///
    /// Returns an error if the process cannot be started.
    pub fn start(role: &str, args: &[&str], stdin: Stdio) -> io::Result<Self> {
        let process = Command::new(std::env::current_exe()?)
            // `shm-examples` needs its arguments to run the same example.
            .args(std::env::args_os().skip(1))
            .args([AS, &std::process::id().to_string(), role])
            .args(args)
            .stdin(stdin)
            .spawn()?;
        let role = role.to_owned();
        Ok(Self { role, process })
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process, as `kill -9` does, and waits for it. Returns its exit status; it may have ended before.
    ///
    /// # Errors
    ///
    /// Returns an error if a system call fails, which does not happen for a child.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.process.kill()?;
        self.process.wait()
    }

    /// Waits until the process ends.
    ///
    /// # Errors
    ///
    /// Returns an error if it fails. The child has printed the reason to standard error.
    pub fn wait(mut self) -> io::Result<()> {
        let (status, id) = (self.process.wait()?, self.id());
        if status.success() {
            return Ok(());
        }
        let text = format!("the {} (process {id}) failed: {status}", self.role);
        Err(io::Error::other(text))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Neither has an effect after a successful `wait`.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the role and arguments that [`Child::start`] gave this process, or `None` in the parent.
///
/// # Errors
///
/// Returns an error in a child whose parent has already ended.
pub fn role() -> io::Result<Option<(String, Vec<String>)>> {
    let mut args = std::env::args_os().skip_while(|arg| arg != AS).skip(1);
    let mut text = || Some(args.next()?.to_string_lossy().into_owned());
    let Some((parent, role)) = text().zip(text()) else {
        return Ok(None);
    };
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have ended before that call.
    if parent != getppid().to_string() {
        return Err(io::Error::other("the parent process has ended"));
    }
    Ok(Some((role, std::iter::from_fn(text).collect())))
}

/// Returns the exit code of a program, and prints an error to standard error. A broken pipe, as with `| head`, is not an
/// error.
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
