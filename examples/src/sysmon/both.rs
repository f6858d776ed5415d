//! Writer and reader together, in two processes all the same.

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

/// First argument of the process that is to be the writer. Not for people.
const AS_WRITER: &str = "--as-writer-of";

/// The whole of `sysmon`. `args` begin with the program's name. `myself` is what has to
/// stand before an argument for this function to get it.
pub fn main(mut args: impl Iterator<Item = OsString>, myself: &[&str]) -> ExitCode {
    let program = args.next().unwrap_or_default();
    let mut args = args.peekable();
    if args.next_if(|arg| arg == OsStr::new(AS_WRITER)).is_some() {
        return as_writer(args);
    }
    let args = BothArgs::parse_from(std::iter::once(program).chain(args));
    exit_code(Signals::block().and_then(|signals| run(&args, &signals, myself)))
}

/// The child: the parent's process id comes first, then what any writer is told.
fn as_writer(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let parent = args.next().and_then(|pid| pid.to_str()?.parse().ok());
    // When the parent is killed, it can stop nobody. Then the kernel sends this.
    if let Err(errno) = prctl::set_pdeathsig(Signal::SIGTERM) {
        return exit_code(Err(Error::io("asking to end with the parent", errno)));
    }
    // The parent may have gone before that.
    if parent != Some(getppid().as_raw()) {
        return ExitCode::SUCCESS;
    }
    writer::main(std::iter::once("sysmon_writer".into()).chain(args))
}

fn run(args: &BothArgs, signals: &Signals, myself: &[&str]) -> Result<(), Error> {
    let pid = std::process::id();
    // A name of its own, so that it is in nobody's way.
    let name = format!("/shm-sysmon-{pid}");
    let failed = |error| Error::io("starting the writer", error);
    let child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(myself)
        .args([AS_WRITER, &pid.to_string(), "--name", &name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // Outside of the terminal's foreground group, so that Ctrl-C reaches the reader
        // only, which then ends the writer: no race about who notices first.
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

/// A child that is asked to end, and waited for, however this process's work ended.
struct StopOnDrop(Child);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // Not yet waited for, so its id cannot have become another's; if it was, this
        // finds an exit status and nothing is sent.
        if let Ok(None) = self.0.try_wait() {
            let pid = Pid::from_raw(self.0.id().cast_signed());
            // A stopped process would keep the request for when it is continued.
            let _ = kill(pid, Signal::SIGTERM).and_then(|()| kill(pid, Signal::SIGCONT));
            let _ = self.0.wait();
        }
    }
}
