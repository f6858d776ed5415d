//! How a command ends.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shm_core::ShmError;
use shm_core::dynamic::DynError;

use crate::attached::DIRECTORY;
use crate::nearby;
use crate::output::user_name;
use crate::user::instead;

/// What the exit code says of a command that did what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing to report.
    Ok,
    /// A difference, a problem, or something to clean up.
    Found,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Found => 1,
        })
    }
}

/// Why a command did not do what it should: the exit code. The greatest one is that of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The command line is wrong.
    Usage,
    /// There is no such segment, file or part.
    NotThere,
    /// The system, the segment or its users do not allow it.
    Refused,
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        Self::from(match kind {
            Kind::Usage => 2,
            Kind::NotThere => 3,
            Kind::Refused => 4,
        })
    }
}

/// Why a command failed, for a person: what happened and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    closed_pipe: bool,
}

impl Failure {
    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Something that is not there.
    pub(crate) fn not_there(message: impl Into<String>) -> Self {
        Self::new(Kind::NotThere, message)
    }

    /// Something that is not allowed or not possible.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            closed_pipe: false,
        }
    }

    /// An error of a file that is not a segment: `doing` is what was being done, such as `write out.svg`.
    pub(crate) fn file(doing: &str, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotThere,
            _ => Kind::Refused,
        };
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => {
                "run it as the user that may, or choose another path"
            }
            io::ErrorKind::StorageFull => "free some space, or choose another path",
            _ => "choose another path",
        };
        Self::new(kind, format!("cannot {doing}: {error}; {advice}"))
    }

    /// The same failure of a command that has done its work, such as `the values were set`.
    pub(crate) fn after(mut self, done: &str) -> Self {
        self.message = format!("{done}, but this command {}", self.message);
        self
    }

    /// The kind of failure.
    pub(crate) const fn exit(&self) -> Kind {
        self.kind
    }

    /// Returns `true` if what it is about is not there.
    pub(crate) fn is_not_there(&self) -> bool {
        self.kind == Kind::NotThere
    }

    /// Returns `true` if the reader of standard output has gone, as `head` does: not worth a message.
    pub(crate) const fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error of standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            closed_pipe: error.kind() == io::ErrorKind::BrokenPipe,
            ..Self::refused(format!("cannot write to standard output: {error}"))
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}

impl From<ShmError> for Failure {
    fn from(error: ShmError) -> Self {
        let kind = match &error {
            ShmError::NotFound { .. } => Kind::NotThere,
            ShmError::Os { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Kind::NotThere
            }
            ShmError::InvalidName { .. } => Kind::Usage,
            _ => Kind::Refused,
        };
        let message = match &error {
            // What the library advises is for programs.
            ShmError::NotFound { name, .. } => format!(
                "segment `{name}` does not exist: it has not been created yet, its owner has ended, or its name was removed; \
                 `shm ls` lists those that there are{}",
                nearby::hint(name)
            ),
            ShmError::Corrupt { name, reason, .. } if is_segment(name) => {
                format!("segment `{name}` is damaged: {reason}; `shm rm {name}` removes it")
            }
            ShmError::WrongOwner {
                name, owner, user, ..
            } => wrong_owner(name, *owner, *user),
            ShmError::NotASegment { name, reason, .. } if is_segment(name) => format!(
                "`{name}` is not a segment: {reason}; check the name: `shm ls` lists the segments that there are"
            ),
            ShmError::NotASegment { name, reason, .. } if is_file(name) => format!(
                "file {} is not a dump of a segment: {reason}; check the path, or make a dump with `shm dump`",
                shown(name)
            ),
            ShmError::NotASegment { name, reason, .. } if name == "(anonymous)" => format!(
                "the descriptor is not an anonymous segment: {reason}; `ls -l /proc/PID/fd` shows what a process has open"
            ),
            ShmError::UnsupportedFormat { name, reason, .. } => format!(
                "`{name}` has a format that this version of `shm` cannot read: {reason}; use the same version as the programs \
                 that made it"
            ),
            ShmError::PermissionDenied {
                name, call, source, ..
            }
            | ShmError::Os {
                name, call, source, ..
            } if source.kind() == io::ErrorKind::PermissionDenied
                && (is_segment(name) || is_file(name)) =>
            {
                denied(name, call, source)
            }
            ShmError::Os { name, source, .. }
                if source.kind() == io::ErrorKind::NotFound && is_file(name) =>
            {
                missing(name)
            }
            other => other.to_string(),
        };
        Self::new(kind, message)
    }
}

/// Only its owner changes a segment, and root is no exception.
fn wrong_owner(name: &str, owner: u32, user: u32) -> String {
    if owner == user {
        return format!(
            "`{name}` belongs to a user without an id in this user namespace; run the command as that user, outside of the \
             namespace"
        );
    }
    let (owner, user) = (user_name(owner), user_name(user));
    format!(
        "`{name}` belongs to user {owner}, and this command runs as user {user}; run it as user {owner}, as with `sudo -u {owner}`"
    )
}

/// The file behind the name in an error.
fn path_of(name: &str) -> PathBuf {
    match name.strip_prefix('/') {
        Some(bare) if is_segment(name) => Path::new(DIRECTORY).join(bare),
        _ => PathBuf::from(name),
    }
}

/// The path of a file in messages. One in the root directory has a second slash in errors.
fn shown(path: &str) -> String {
    let path = path.strip_prefix("//").map_or(path, |_| &path[1..]);
    format!("`{}`", path.escape_debug())
}

fn denied(name: &str, call: &str, source: &io::Error) -> String {
    let what = match is_segment(name) {
        true => format!("segment `{name}`"),
        false => format!("file {}", shown(name)),
    };
    let failed = match call {
        "shm_unlink" => "removed",
        _ if call.contains("open") => "opened",
        _ => return format!("{what}: {call}: {source}; {}", instead(&path_of(name))),
    };
    format!(
        "{what} cannot be {failed}: {source}; {}",
        instead(&path_of(name))
    )
}

fn missing(name: &str) -> String {
    let path = path_of(name);
    let is_somewhere = path
        .parent()
        .is_none_or(|parent| parent.as_os_str().is_empty() || parent.is_dir());
    let advice = match is_somewhere {
        true => "`shm ls` lists the segments that there are",
        false => "the name of a segment has one slash only, at its beginning",
    };
    format!(
        "file {} does not exist; check the path; {advice}",
        shown(name)
    )
}

/// Whether an error is about a file at a path.
fn is_file(name: &str) -> bool {
    !is_segment(name) && !["(anonymous)", "(schema)", DIRECTORY, ""].contains(&name)
}

/// Whether an error is about a segment with a name, and not about a descriptor or a dump.
fn is_segment(name: &str) -> bool {
    name.strip_prefix('/')
        .is_some_and(|name| !name.contains('/'))
}

impl From<DynError> for Failure {
    fn from(error: DynError) -> Self {
        let kind = match &error {
            DynError::InvalidPath { .. } | DynError::WrongValue { .. } => Kind::Usage,
            DynError::NoSuchPart { .. } => Kind::NotThere,
            _ => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}
