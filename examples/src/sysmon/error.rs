//! The errors of the programs, with messages for the terminal.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use shm_core::ShmError;

use super::procfs::Malformed;

/// The reason why a program fails.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An error of the library.
    Shm(ShmError),
    /// A system call failed.
    Io {
        /// What the program was doing.
        doing: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the kernel has an unexpected format.
    Malformed(Malformed),
    /// The segment already has a writer.
    AnotherWriter {
        /// The segment's name.
        name: String,
        /// The writer's process id; 0 if it has not written it yet.
        pid: u32,
        /// The time since its last heartbeat, if that is suspiciously long.
        silent: Option<Duration>,
    },
    /// There is no writer.
    NoWriter {
        /// The segment's name.
        name: String,
    },
    /// The writer's heartbeat has stopped.
    WriterDied {
        /// The segment's name.
        name: String,
        /// The writer's process id.
        pid: u32,
        /// The time since its last heartbeat.
        silent: Duration,
    },
    /// The name no longer leads to the writer's segment.
    NameLost {
        /// The segment's name.
        name: String,
    },
    /// The sample changed during every attempt to read it.
    Contended {
        /// The segment's name.
        name: String,
    },
    /// The writer that `sysmon` started has ended.
    ChildEnded {
        /// Its exit status.
        status: std::process::ExitStatus,
    },
}

impl Error {
    /// Returns an [`Io`](Self::Io) error that occurred while `doing` something.
    pub fn io(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            doing: doing.into(),
            source: source.into(),
        }
    }

    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shm(error) => error.fmt(f),
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::Malformed(error) => error.fmt(f),
            Self::AnotherWriter { name, pid, silent } => {
                write!(f, "`{name}` already has a writer")?;
                if *pid != 0 {
                    write!(f, ", process {pid}")?;
                }
                if let Some(silent) = silent {
                    let seconds = silent.as_secs_f64();
                    write!(
                        f,
                        ", without a heartbeat for {seconds:.1} s but not dead (is it stopped?)"
                    )?;
                }
                f.write_str("; end it first, or use another --name")
            }
            Self::NoWriter { name } => write!(
                f,
                "no writer of `{name}` is running; start sysmon_writer, or wait for one with --wait"
            ),
            Self::WriterDied { name, pid, silent } => write!(
                f,
                "the writer of `{name}`, process {pid}, has had no heartbeat for {:.1} s; it was killed or stopped",
                silent.as_secs_f64()
            ),
            Self::NameLost { name } => write!(
                f,
                "the name `{name}` was removed or replaced, so readers cannot find this writer"
            ),
            Self::Contended { name } => write!(
                f,
                "the samples in `{name}` change faster than they can be read; the writer is broken"
            ),
            Self::ChildEnded { status } => write!(f, "the writer did not start ({status})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<ShmError> for Error {
    fn from(error: ShmError) -> Self {
        Self::Shm(error)
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

/// Returns the exit code of a program, and prints `error: ` and the reason to standard error. A broken pipe, as with
/// `sysmon_reader | head`, is not an error.
#[must_use]
pub fn exit_code(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // `eprintln` would panic if standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a message that is not an error to standard error.
pub fn notice(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> String {
        "/sysmon".into()
    }

    #[test]
    fn the_other_writer_is_named_if_known() {
        let message = |pid, silent| {
            let name = name();
            Error::AnotherWriter { name, pid, silent }.to_string()
        };
        assert_eq!(
            message(7, None),
            "`/sysmon` already has a writer, process 7; end it first, or use another --name"
        );
        assert_eq!(
            message(0, Some(Duration::from_millis(2500))),
            "`/sysmon` already has a writer, without a heartbeat for 2.5 s but not dead (is it stopped?); \
             end it first, or use another --name"
        );
    }

    #[test]
    fn io_errors_say_what_the_program_was_doing() {
        let source = io::Error::from_raw_os_error(nix::libc::ENOENT);
        let error = Error::io("reading /proc/stat", source);
        assert_eq!(
            error.to_string(),
            "reading /proc/stat: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_broken_pipe_is_quiet() {
        let pipe = Error::io("writing", io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(pipe.is_broken_pipe());
        assert!(!Error::NoWriter { name: name() }.is_broken_pipe());
    }
}
