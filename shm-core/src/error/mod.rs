//! What can go wrong with a segment.

mod debug;
mod invalid_value;
mod remedy;

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::time::Duration;

use crate::sys::shm::DIRECTORY;
use crate::sys::{Errno, SysError};

pub(crate) use debug::debug_with_text;
pub use invalid_value::InvalidValue;

/// What [`ShmError`]s of a segment without a name have as their name. It is no valid name, so it cannot be mixed up
/// with one.
pub(crate) const ANONYMOUS: &str = "(anonymous)";

/// The name of an error that has none yet: see [`ShmError::named`].
pub(crate) const UNNAMED: String = String::new();

/// Why a segment could not be created, attached to, kept or removed.
///
/// Every variant has the segment's name, which is `(anonymous)` for one that has none and `/dev/shm` where it is about
/// all of them, and its text says what to do.
///
/// `Debug` prints the text and then the fields, because `main` prints it of an error that it returns, and `unwrap` panics
/// with it. The text holds what the system said, so `source` returns `None`.
#[non_exhaustive]
pub enum ShmError {
    /// The name breaks a rule of POSIX shared-memory names.
    #[non_exhaustive]
    InvalidName {
        /// The name as it was given.
        name: String,
        /// The rule.
        reason: &'static str,
        /// A valid name that was probably meant, if there is one.
        suggestion: Option<String>,
    },
    /// No segment has this name, or not any more.
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
    /// The system forbids it to this user.
    #[non_exhaustive]
    PermissionDenied {
        /// The segment's name.
        name: String,
        /// The system call that was refused.
        call: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The segment belongs to a user that this program was not told to trust.
    #[non_exhaustive]
    WrongOwner {
        /// The segment's name.
        name: String,
        /// The user id that owns it. Users that the process's user namespace does not know all seem to have one id, 65534,
        /// so it may be that of this process.
        owner: u32,
        /// The effective user id of this process.
        user: u32,
    },
    /// There is something else under the name, or behind the descriptor.
    #[non_exhaustive]
    NotASegment {
        /// The segment's name.
        name: String,
        /// How that was seen.
        reason: String,
    },
    /// A segment, but written by another version of the format or on a machine with another byte order.
    #[non_exhaustive]
    UnsupportedFormat {
        /// The segment's name.
        name: String,
        /// What is not supported.
        reason: String,
    },
    /// A segment of another type, or of another version of the type.
    #[non_exhaustive]
    LayoutMismatch {
        /// The segment's name.
        name: String,
        /// What the segment's type is called, where it says so. Names are for people: types that differ can have one name.
        found: Option<String>,
        /// What this program's type is called.
        expected: String,
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
    /// The closure that initialises a new segment has left a field without a value.
    #[non_exhaustive]
    Uninitialized {
        /// The segment's name.
        name: String,
        /// The field, and what it holds.
        value: InvalidValue,
    },
    /// An offset that leads to no value of its type.
    #[non_exhaustive]
    BadOffset {
        /// The segment's name.
        name: String,
        /// The offset, in bytes from the start of the segment.
        offset: u64,
        /// Why it leads nowhere.
        reason: String,
    },
    /// The shared-memory file system is too full.
    #[non_exhaustive]
    NoSpace {
        /// The segment's name.
        name: String,
        /// Bytes that the segment needs.
        needed: u64,
        /// Bytes that were available.
        available: u64,
    },
    /// Another process held a lock of the segment for the whole of the timeout.
    #[non_exhaustive]
    Busy {
        /// The segment's name.
        name: String,
        /// What was waited for.
        reason: &'static str,
        /// How long.
        waited: Duration,
    },
    /// Any other refusal by the system.
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

const _: () = assert!(size_of::<ShmError>() <= 128);

/// What has the name that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// A segment that at least one living process is attached to.
    Live,
    /// A segment that was told to stay, whether or not anyone is attached.
    Persistent,
    /// A segment of the user with this id.
    OtherUser(u32),
    /// A file that this process may not open for writing, so that it cannot tell or replace what it is.
    NotWritable,
    /// A segment with a damaged header, or one of an unknown version of the format.
    Unreadable,
    /// Not a segment at all.
    NotASegment,
}

impl fmt::Display for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str(
                "a live segment has it; attach to that one, or end the processes that use it; if only its owner was killed, \
                 `supersede(true)` in the options takes the name from those that are still attached",
            ),
            Self::Persistent => f.write_str(
                "a persistent segment has it; attach to that one, or remove it with `unlink`",
            ),
            Self::OtherUser(uid) => {
                write!(f, "it belongs to user {uid}; choose another name, or remove it as that user")
            }
            Self::NotWritable => f.write_str(
                "it may not be opened for writing, so a leftover cannot be told from a segment in use; remove it with \
                 `unlink` if nobody needs it",
            ),
            Self::Unreadable => f.write_str(
                "it is a segment with a damaged header or of an unknown format; remove it with `unlink` if nobody \
                 needs it",
            ),
            Self::NotASegment => f.write_str(
                "it is not a segment of this library; choose another name, or remove it with `unlink` if nobody needs it",
            ),
        }
    }
}

/// The longest name of a type that is told: one out of a segment may be as long as a peer likes.
const LONGEST_TYPE_NAME: usize = 200;

/// Text that may have come from a segment: without line breaks and terminal controls, which do not belong in a log.
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

/// How a message speaks of a segment.
struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ANONYMOUS {
            f.write_str("anonymous segment")
        } else if self.0 == DIRECTORY {
            f.write_str(DIRECTORY)
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
                "{} does not exist: it was not created yet, or its owner has ended; check the name, or wait for the \
                 process that creates it (`wait` in the options does)",
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
                "{} belongs to another user, who has no number in this user namespace: all such users seem to be user \
                 {owner}, as this process does; if they are all trusted, say so with `allowed_owner({owner})`",
                Named(name)
            ),
            Self::WrongOwner { name, owner, user } => write!(
                f,
                "{} belongs to user {owner} and this process runs as user {user}; if that user is trusted, say so with \
                 `allowed_owner({owner})`",
                Named(name)
            ),
            Self::NotASegment { name, reason } if name == ANONYMOUS => write!(
                f,
                "the descriptor leads to no anonymous segment of this library: {reason}; pass that of one made by \
                 `create_anonymous`, and to a segment that has a name attach by that"
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
                "{} has an unsupported format: {reason}; use the same version of this library on both sides",
                Named(name)
            ),
            Self::LayoutMismatch {
                name,
                found,
                expected,
                difference,
                remedy,
            } => {
                write!(f, "{} holds ", Named(name))?;
                let expected = Plain(expected);
                match found.as_deref() {
                    Some(found) if found == expected.0 => {
                        write!(f, "another `{expected}` than this program's: ")?;
                    }
                    Some(found) => write!(
                        f,
                        "a `{}`, this program expects a `{expected}`: ",
                        Plain(found)
                    )?,
                    None => write!(f, "another type than this program's `{expected}`: ")?,
                }
                write!(f, "{}; {remedy}", Plain(difference))
            }
            Self::Corrupt { name, reason } => {
                let remedy = if name == ANONYMOUS {
                    "create it again"
                } else {
                    "remove it with `unlink` and create it again"
                };
                write!(f, "{} is damaged: {reason}; {remedy}", Named(name))
            }
            Self::Uninitialized { name, value } => write!(
                f,
                "{} was not created: {value}; write the field in the closure that initialises the segment",
                Named(name)
            ),
            Self::BadOffset {
                name,
                offset,
                reason,
            } => write!(
                f,
                "{}: the offset {offset} leads nowhere: {reason}; look for null before, and take any other for damage by \
                 another process, or for an offset of another segment",
                Named(name)
            ),
            Self::NoSpace {
                name,
                needed,
                available,
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
                "{} is busy: {reason}, for {waited:?}; try again, with a longer `timeout` if need be",
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
        LayoutMismatch { name, found, expected, difference, remedy },
        Corrupt { name, reason },
        Uninitialized { name, value },
        BadOffset { name, offset, reason },
        NoSpace { name, needed, available },
        Busy { name, reason, waited },
        Os { name, call, source },
    }
}

impl Error for ShmError {}

impl ShmError {
    /// The name of the segment, as it was given; `(anonymous)` for a segment that has none; `/dev/shm` where
    /// the error is not about a single one.
    pub fn name(&self) -> &str {
        match self {
            Self::InvalidName { name, .. }
            | Self::NotFound { name }
            | Self::AlreadyExists { name, .. }
            | Self::PermissionDenied { name, .. }
            | Self::WrongOwner { name, .. }
            | Self::NotASegment { name, .. }
            | Self::UnsupportedFormat { name, .. }
            | Self::LayoutMismatch { name, .. }
            | Self::Corrupt { name, .. }
            | Self::Uninitialized { name, .. }
            | Self::BadOffset { name, .. }
            | Self::NoSpace { name, .. }
            | Self::Busy { name, .. }
            | Self::Os { name, .. } => name,
        }
    }

    /// Gives an error the name of the segment that it is about.
    ///
    /// What works on a segment's file returns errors without it. The function that the program called knows the name, and
    /// adds it once.
    pub(crate) fn named(mut self, segment: &str) -> Self {
        match &mut self {
            Self::InvalidName { name, .. }
            | Self::NotFound { name }
            | Self::AlreadyExists { name, .. }
            | Self::PermissionDenied { name, .. }
            | Self::WrongOwner { name, .. }
            | Self::NotASegment { name, .. }
            | Self::UnsupportedFormat { name, .. }
            | Self::LayoutMismatch { name, .. }
            | Self::Corrupt { name, .. }
            | Self::Uninitialized { name, .. }
            | Self::BadOffset { name, .. }
            | Self::NoSpace { name, .. }
            | Self::Busy { name, .. }
            | Self::Os { name, .. } => segment.clone_into(name),
        }
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

    /// A segment whose type is another one than `expected`.
    pub(crate) fn mismatch(
        found: Option<String>,
        expected: String,
        difference: String,
        anonymous: bool,
    ) -> Self {
        let shortened = |found: String| match found.char_indices().nth(LONGEST_TYPE_NAME) {
            Some((end, _)) => format!("{}..", &found[..end]),
            None => found,
        };
        Self::LayoutMismatch {
            name: UNNAMED,
            found: found.map(shortened),
            expected,
            difference,
            remedy: remedy::of_another_layout(anonymous),
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

/// A failed call that has no better variant than what its number says. The error has no name yet.
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
