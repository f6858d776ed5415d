//! What can go wrong, in words for the person at the terminal.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use shm_core::ShmError;

use super::procfs::Malformed;

/// Why a program ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The library refused.
    Shm(ShmError),
    /// The kernel refused.
    Io {
        /// What was being done.
        doing: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The kernel wrote something unexpected.
    Malformed(Malformed),
    /// The segment has a writer already.
    AnotherWriter {
        /// The segment's name.
        name: String,
        /// The writer's process id; 0 when it has not told yet.
        pid: u32,
        /// For how long it has been silent, if for suspiciously long.
        silent: Option<Duration>,
    },
    /// There is nobody to read from.
    NoWriter {
        /// The segment's name.
        name: String,
    },
    /// The writer went silent.
    WriterDied {
        /// The segment's name.
        name: String,
        /// The writer's process id.
        pid: u32,
        /// For how long it has been silent.
        silent: Duration,
    },
    /// The writer's segment lost its name.
    NameLost {
        /// The segment's name.
        name: String,
    },
    /// The sample changed whenever it was looked at.
    Restless {
        /// The segment's name.
        name: String,
    },
    /// The writer that `sysmon` started did not stay.
    ChildEnded {
        /// How it ended.
        status: std::process::ExitStatus,
    },
}

impl Error {
    /// `source` happened while `doing`.
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
                write!(f, "`{name}` has a writer already")?;
                if *pid != 0 {
                    write!(f, ", process {pid}")?;
                }
                if let Some(silent) = silent {
                    let seconds = silent.as_secs_f64();
                    write!(
                        f,
                        ", silent for {seconds:.1} s but not dead (is it stopped?)"
                    )?;
                }
                f.write_str("; end it first, or take another --name")
            }
            Self::NoWriter { name } => write!(
                f,
                "no writer of `{name}` is running; start sysmon_writer, or wait for one with --wait"
            ),
            Self::WriterDied { name, pid, silent } => write!(
                f,
                "the writer of `{name}`, process {pid}, has given no sign of life for {:.1} s; \
                 it was killed or stopped",
                silent.as_secs_f64()
            ),
            Self::NameLost { name } => write!(
                f,
                "somebody removed or replaced the name `{name}`, so no reader can find this writer"
            ),
            Self::Restless { name } => write!(
                f,
                "the samples in `{name}` change faster than they can be read; its writer is broken"
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

/// Ends a program: `error: ` and the reason on standard error, exit code 1. Nothing to
/// say when the reader of a pipe went away: `sysmon_reader | head` is no error.
#[must_use]
pub fn exit_code(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln`, which panics when standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the person at the terminal something that is no error.
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
    fn another_writer_is_named_as_far_as_it_is_known() {
        let told = |pid, silent| {
            let name = name();
            Error::AnotherWriter { name, pid, silent }.to_string()
        };
        assert_eq!(
            told(7, None),
            "`/sysmon` has a writer already, process 7; end it first, or take another --name"
        );
        assert_eq!(
            told(0, Some(Duration::from_millis(2500))),
            "`/sysmon` has a writer already, silent for 2.5 s but not dead (is it stopped?); \
             end it first, or take another --name"
        );
    }

    #[test]
    fn io_errors_say_what_was_being_done() {
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
