//! [`ShmError`], the error of everything that is done with segments.

pub(crate) mod debug;
mod existing;
mod invalid_value;
mod mismatch;
mod remedy;

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::sys::shm::DIRECTORY;
use crate::sys::{Errno, SysError};

pub(crate) use debug::debug_with_text;
pub use existing::Existing;
pub use invalid_value::InvalidValue;
pub use mismatch::Mismatch;
pub(crate) use remedy::Remedy;

/// The name in errors about a segment that has none. It is not a valid name, so it cannot be mistaken for one.
pub(crate) const ANONYMOUS: &str = "(anonymous)";

/// The name of a schema that belongs to no segment.
pub(crate) const SCHEMA: &str = "(schema)";

/// The name of errors about a dump: its path. For a file in the root directory it has a second slash, which leads to the same
/// file, as one slash begins the name of a segment.
pub(crate) fn file_name(path: &Path) -> String {
    let path = path.to_string_lossy();
    match path.rfind('/') {
        Some(0) => format!("/{path}"),
        _ => path.into_owned(),
    }
}

/// Whether the name of an error is the path of a dump.
fn is_path(name: &str) -> bool {
    let slash = name.rfind('/');
    ![ANONYMOUS, SCHEMA, DIRECTORY, ""].contains(&name) && slash != Some(0)
}

/// Whether there is a name that can be removed.
fn is_named(name: &str) -> bool {
    name != ANONYMOUS && name != SCHEMA && !is_path(name)
}

/// The name of an error that has none yet: see [`ShmError::named`].
pub(crate) const UNNAMED: String = String::new();

/// An error about a segment: creating it, attaching to it, keeping its name or removing it.
///
/// Every variant holds the segment's name: `(anonymous)` for a segment without one, `/dev/shm` for an error that is not about
/// a single segment. The text says what failed, what the system said, and what to do.
///
/// `Debug` prints the text and then the fields, because `main` prints it of an error that it returns, and `unwrap` panics
/// with it. `source` returns `None`, since the text already holds what the system said.
#[non_exhaustive]
pub enum ShmError {
    /// The name breaks a rule of POSIX shared-memory names.
    #[non_exhaustive]
    InvalidName {
        /// The name as it was passed.
        name: String,
        /// The rule.
        reason: &'static str,
        /// A valid name that was probably meant, if there is one.
        suggestion: Option<String>,
    },
    /// No segment has this name: it has not been created yet, its owner has ended, or the name was removed.
    #[non_exhaustive]
    NotFound {
        /// The segment's name.
        name: String,
    },
    /// The name is taken, and what has it may not be replaced.
    #[non_exhaustive]
    AlreadyExists {
        /// The segment's name.
        name: String,
        /// What has the name.
        existing: Existing,
    },
    /// The system does not permit this user to do it.
    #[non_exhaustive]
    PermissionDenied {
        /// The segment's name.
        name: String,
        /// The system call that was refused.
        call: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The segment belongs to a user that this program does not trust.
    #[non_exhaustive]
    WrongOwner {
        /// The segment's name.
        name: String,
        /// The user id that owns it. All users without a mapping in the process's user namespace appear as one id,
        /// 65534, which may also be that of this process.
        owner: u32,
        /// The effective user id of this process.
        user: u32,
    },
    /// The name or the descriptor leads to something else.
    #[non_exhaustive]
    NotASegment {
        /// The segment's name.
        name: String,
        /// What gave it away.
        reason: String,
    },
    /// A segment of another version of the format, or of a machine with another byte order.
    #[non_exhaustive]
    UnsupportedFormat {
        /// The segment's name.
        name: String,
        /// What is not supported.
        reason: String,
    },
    /// A segment of another type, of another version of the type, or without room for the fields that this program has appended.
    #[non_exhaustive]
    LayoutMismatch {
        /// The segment's name.
        name: String,
        /// The name of the segment's type, if the segment has one. Names are for people: different types may share one.
        found: Option<Box<str>>,
        /// The name of this program's type.
        expected: String,
        /// In which way it does not suit this program.
        mismatch: Mismatch,
        /// The first difference, on both sides.
        difference: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A segment whose header contradicts itself or the file.
    #[non_exhaustive]
    Corrupt {
        /// The segment's name.
        name: String,
        /// The contradiction.
        reason: String,
    },
    /// A segment that is too large to be read without its type.
    #[non_exhaustive]
    TooLarge {
        /// The segment's name.
        name: String,
        /// What is too large, and the limit.
        reason: String,
    },
    /// The closure that initializes a new segment has left a field without a valid value.
    #[non_exhaustive]
    Uninitialized {
        /// The segment's name.
        name: String,
        /// The field, and what it holds.
        value: InvalidValue,
    },
    /// An offset that does not lead to a value of its type.
    #[non_exhaustive]
    BadOffset {
        /// The segment's name.
        name: String,
        /// The offset, in bytes from the start of the segment.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The shared-memory file system, or the memory limit of the process's control group, does not leave enough room.
    #[non_exhaustive]
    NoSpace {
        /// The segment's name.
        name: String,
        /// Bytes that the segment needs.
        needed: u64,
        /// Bytes that were available.
        available: u64,
        /// The limit of the control group in bytes, if that is what leaves too little. It counts memory that cannot be
        /// reclaimed, and not the page cache.
        memory_limit: Option<u64>,
    },
    /// Another process held a lock of the segment for the whole timeout.
    #[non_exhaustive]
    Busy {
        /// The segment's name.
        name: String,
        /// What the other process did.
        reason: &'static str,
        /// How long this process waited.
        waited: Duration,
    },
    /// Any other failed system call.
    #[non_exhaustive]
    Os {
        /// The segment's name.
        name: String,
        /// The system call that failed.
        call: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

const _: () = assert!(size_of::<ShmError>() < 128);

/// The longest type name in a message. A name out of a segment may be as long as a peer likes.
const LONGEST_TYPE_NAME: usize = 200;

/// The longest difference in a message. It names fields, whose names may be as long.
const LONGEST_DIFFERENCE: usize = 1000;

/// Text that may come from a segment, without line breaks and terminal controls, which do not belong in a log.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| {
            if char.is_control() {
                write!(f, "{}", char.escape_debug())
            } else {
                f.write_char(char)
            }
        })
    }
}

/// A segment in a message.
struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ANONYMOUS {
            f.write_str("anonymous segment")
        } else if self.0 == SCHEMA {
            f.write_str("schema")
        } else if self.0 == DIRECTORY {
            f.write_str(DIRECTORY)
        } else if is_path(self.0) {
            // One slash suffices here: see `file_name`.
            let path = if self.0.starts_with("//") {
                &self.0[1..]
            } else {
                self.0
            };
            write!(f, "file `{}`", path.escape_debug())
        } else {
            // A name may hold line breaks and terminal controls, which do not belong in a log.
            write!(f, "segment `{}`", self.0.escape_debug())
        }
    }
}

impl fmt::Display for ShmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName {
                name,
                reason,
                suggestion,
            } => {
                write!(
                    f,
                    "`{}` is not a segment name: {reason}",
                    name.escape_debug()
                )?;
                match suggestion {
                    Some(name) => write!(f, "; write `{}`", name.escape_debug()),
                    None => Ok(()),
                }
            }
            Self::NotFound { name } => write!(
                f,
                "{} does not exist: it has not been created yet, its owner has ended, or its name was removed; check the \
                 name, or set `wait` in the options to wait for it",
                Named(name)
            ),
            Self::AlreadyExists { name, existing } => {
                write!(
                    f,
                    "{} cannot be created because the name is taken: {existing}",
                    Named(name)
                )
            }
            Self::WrongOwner { name, owner, user } if owner == user => write!(
                f,
                "{} belongs to a user without an id in this user namespace: all such users appear as user {owner}, as this \
                 process does; if all of them are trusted, call `allowed_owner({owner})`",
                Named(name)
            ),
            Self::WrongOwner { name, owner, user } => write!(
                f,
                "{} belongs to user {owner}, and this process runs as user {user}; if that user is trusted, call \
                 `allowed_owner({owner})`",
                Named(name)
            ),
            Self::NotASegment { name, reason } if name == ANONYMOUS => write!(
                f,
                "the descriptor is not an anonymous segment: {reason}; pass one from `create_anonymous`, or use `attach` for named \
                 segments"
            ),
            Self::NotASegment { name, reason } => {
                write!(
                    f,
                    "{} is not a segment of this library: {reason}; check the name",
                    Named(name)
                )
            }
            Self::UnsupportedFormat { name, reason } => write!(
                f,
                "{} has an unsupported format: {reason}; use the same version of this library on both sides{}",
                Named(name),
                if is_named(name) {
                    ", or remove it with `unlink` and create it again"
                } else {
                    ""
                }
            ),
            Self::LayoutMismatch {
                name,
                found,
                expected,
                mismatch,
                difference,
                remedy,
            } => {
                let expected = Plain(expected);
                if let Mismatch::Room { .. } = mismatch {
                    let name = Named(name);
                    return write!(
                        f,
                        "{name} is too short for this program's `{expected}`: {difference}; {remedy}"
                    );
                }
                write!(f, "{} holds ", Named(name))?;
                match found.as_deref() {
                    Some(found) if found == expected.0 => {
                        write!(f, "a different `{expected}` than this program's: ")?;
                    }
                    Some(found) => write!(
                        f,
                        "a `{}`, but this program expects a `{expected}`: ",
                        Plain(found)
                    )?,
                    None => write!(f, "a different type than this program's `{expected}`: ")?,
                }
                write!(f, "{}; {remedy}", Plain(difference))
            }
            Self::Corrupt { name, reason } => {
                let remedy = if is_named(name) {
                    "remove it with `unlink` and create it again"
                } else {
                    "create it again"
                };
                write!(f, "{} is damaged: {reason}; {remedy}", Named(name))
            }
            Self::TooLarge { name, reason } => write!(
                f,
                "{} cannot be read without its type: {reason}; attach to it with the type",
                Named(name)
            ),
            Self::Uninitialized { name, value } => write!(
                f,
                "{} was not created: {value}; set the field in the closure that initializes the segment",
                Named(name)
            ),
            Self::BadOffset {
                name,
                offset,
                reason,
            } => write!(
                f,
                "{}: the offset {offset} is invalid: {reason}; check for null first; otherwise another process has damaged it, or \
                 it belongs to another segment",
                Named(name)
            ),
            Self::NoSpace {
                name,
                needed,
                available,
                memory_limit: Some(limit),
            } => write!(
                f,
                "{} needs {needed} bytes, and the memory limit of {limit} bytes leaves {available}: a process of the control group \
                 would be killed; raise the limit (`memory.max`, with cgroup v1 `memory.limit_in_bytes`, in Docker `--memory`), or \
                 use a smaller segment",
                Named(name)
            ),
            Self::NoSpace {
                name,
                needed,
                available,
                memory_limit: None,
            } => {
                let full = io::Error::from_raw_os_error(Errno::ENOSPC as i32);
                let (place, remedy) = if name == ANONYMOUS {
                    ("the machine", "free memory, or use a smaller segment")
                } else {
                    (
                        "/dev/shm",
                        "remove unused segments or enlarge /dev/shm (`mount -o remount,size=...`, in Docker \
                         `--shm-size`)",
                    )
                };
                write!(
                    f,
                    "{} needs {needed} bytes and {place} has {available} available: {full}; {remedy}",
                    Named(name)
                )
            }
            Self::Busy {
                name,
                reason,
                waited,
            } => write!(
                f,
                "{} is busy: {reason} for {waited:?}; try again, or set a longer `timeout`",
                Named(name)
            ),
            Self::PermissionDenied { name, call, source } | Self::Os { name, call, source } => {
                let hint = remedy::hint(name, call, source);
                write!(f, "{}: {call}: {source}{hint}", Named(name))
            }
        }
    }
}

debug_with_text! {
    enum ShmError {
        InvalidName { name, reason, suggestion },
        NotFound { name },
        AlreadyExists { name, existing },
        PermissionDenied { name, call, source },
        WrongOwner { name, owner, user },
        NotASegment { name, reason },
        UnsupportedFormat { name, reason },
        LayoutMismatch { name, found, expected, mismatch, difference, remedy },
        Corrupt { name, reason },
        TooLarge { name, reason },
        Uninitialized { name, value },
        BadOffset { name, offset, reason },
        NoSpace { name, needed, available, memory_limit },
        Busy { name, reason, waited },
        Os { name, call, source },
    }
}

impl Error for ShmError {}

/// The name in an error, by the kind of reference through which it is looked at.
macro_rules! name_of {
    ($error:expr) => {
        match $error {
            ShmError::InvalidName { name, .. }
            | ShmError::NotFound { name }
            | ShmError::AlreadyExists { name, .. }
            | ShmError::PermissionDenied { name, .. }
            | ShmError::WrongOwner { name, .. }
            | ShmError::NotASegment { name, .. }
            | ShmError::UnsupportedFormat { name, .. }
            | ShmError::LayoutMismatch { name, .. }
            | ShmError::Corrupt { name, .. }
            | ShmError::TooLarge { name, .. }
            | ShmError::Uninitialized { name, .. }
            | ShmError::BadOffset { name, .. }
            | ShmError::NoSpace { name, .. }
            | ShmError::Busy { name, .. }
            | ShmError::Os { name, .. } => name,
        }
    };
}

impl ShmError {
    /// The name of the segment as it was passed; `(anonymous)` for a segment without one; `/dev/shm` for an error that is
    /// not about a single segment.
    pub fn name(&self) -> &str {
        name_of!(self)
    }

    /// Gives an error the name of the segment that it is about.
    ///
    /// Functions that work on a segment's file return errors without a name. The function that the program called adds it, once.
    pub(crate) fn named(mut self, segment: &str) -> Self {
        segment.clone_into(name_of!(&mut self));
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::NotFound { name: UNNAMED }
    }

    pub(crate) fn exists(existing: Existing) -> Self {
        Self::AlreadyExists {
            name: UNNAMED,
            existing,
        }
    }

    pub(crate) fn not_a_segment(reason: impl Into<String>) -> Self {
        Self::NotASegment {
            name: UNNAMED,
            reason: reason.into(),
        }
    }

    /// A segment whose type is not `expected`.
    pub(crate) fn mismatch(
        found: Option<String>,
        expected: String,
        mismatch: Mismatch,
        difference: String,
        remedy: Remedy,
    ) -> Self {
        let shortened = |text: String, longest| match text.char_indices().nth(longest) {
            Some((end, _)) => format!("{}..", &text[..end]),
            None => text,
        };
        Self::LayoutMismatch {
            name: UNNAMED,
            found: found.map(|found| shortened(found, LONGEST_TYPE_NAME).into()),
            expected,
            mismatch,
            difference: shortened(difference, LONGEST_DIFFERENCE),
            remedy: remedy::of_another_layout(mismatch, remedy),
        }
    }

    pub(crate) fn too_large(reason: impl Into<String>) -> Self {
        Self::TooLarge {
            name: UNNAMED,
            reason: reason.into(),
        }
    }

    pub(crate) fn busy(reason: &'static str, waited: Duration) -> Self {
        Self::Busy {
            name: UNNAMED,
            reason,
            waited,
        }
    }
}

/// The error of a failed system call, chosen by its number alone. It has no name yet.
impl From<SysError> for ShmError {
    fn from(error: SysError) -> Self {
        let (name, call, source) = (UNNAMED, error.call, error.io());
        match error.errno {
            Errno::EACCES | Errno::EPERM => Self::PermissionDenied { name, call, source },
            _ => Self::Os { name, call, source },
        }
    }
}

#[cfg(test)]
mod tests;
