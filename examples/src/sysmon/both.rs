//! The program `sysmon`: a writer and a reader, in two processes.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Parser;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use super::cli::{BothArgs, ReaderArgs};
use super::error::{Error, exit_code};
use super::reader;
use super::signals::Signals;
use super::writer;

/// The internal first argument that makes a process the writer.
const AS_WRITER: &str = "--as-writer-of";

/// The `main` function of `sysmon`. `args` begin with the program's name. `myself` are the arguments that must precede the
/// others for this function to get them.
pub fn main(mut args: impl Iterator<Item = OsString>, myself: &[&str]) -> ExitCode {
    let program = args.next().unwrap_or_default();
    let mut args = args.peekable();
    if args.next_if(|arg| arg == OsStr::new(AS_WRITER)).is_some() {
        return as_writer(args);
    }
    let args = BothArgs::parse_from(std::iter::once(program).chain(args));
    exit_code(Signals::block().and_then(|signals| run(&args, &signals, myself)))
}

/// Runs the child. Its arguments are the parent's process id and those of `sysmon_writer`.
fn as_writer(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let parent = args.next().and_then(|pid| pid.to_str()?.parse().ok());
    // A parent that is killed cannot stop the child, so the kernel does.
    if let Err(errno) = prctl::set_pdeathsig(Signal::SIGTERM) {
        return exit_code(Err(Error::io("setting the parent-death signal", errno)));
    }
    // The parent may have ended before that call.
    if parent != Some(getppid().as_raw()) {
        return ExitCode::SUCCESS;
    }
    writer::main(std::iter::once("sysmon_writer".into()).chain(args))
}

fn run(args: &BothArgs, signals: &Signals, myself: &[&str]) -> Result<(), Error> {
    let pid = std::process::id();
    // Contains the process id, so that several can run at once.
    let name = format!("/shm-sysmon-{pid}");
    let failed = |error| Error::io("starting the writer", error);
    let child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(myself)
        .args([AS_WRITER, &pid.to_string(), "--name", &name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // Outside the terminal's foreground group, so that Ctrl-C reaches only the reader, which then ends the writer.
        // Otherwise the reader might report that the writer has ended.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let mut writer = StopOnDrop(child);

    let found = reader::find(&name, signals, |_| match writer.0.try_wait() {
        Ok(None) => Ok(()),
        Ok(Some(status)) => Err(Error::ChildEnded { status }),
        Err(error) => Err(failed(error)),
    })?;
    let args = ReaderArgs {
        name,
        interval: args.interval,
        count: args.count,
        wait: true,
    };
    match found {
        Some((reader, sample)) => reader::show(&reader, sample, &args, signals),
        None => Ok(()),
    }
}

/// Dropping it terminates the child and waits for it.
struct StopOnDrop(Child);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // The child is not yet reaped, so its id cannot belong to another process. If it was, `try_wait` returns the status
        // and no signal is sent.
        if let Ok(None) = self.0.try_wait() {
            let pid = Pid::from_raw(self.0.id().cast_signed());
            // A stopped process handles SIGTERM only once it is continued.
            let _ = kill(pid, Signal::SIGTERM).and_then(|()| kill(pid, Signal::SIGCONT));
            let _ = self.0.wait();
        }
    }
}
