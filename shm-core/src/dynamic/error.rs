//! The error of accesses by path.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::{InvalidValue, ShmError, debug_with_text};
use crate::sync::Owner;

/// Why a part of a segment was not found, read or set.
#[non_exhaustive]
pub enum DynError {
    /// The text is not a path.
    #[non_exhaustive]
    InvalidPath {
        /// The text.
        path: String,
        /// The byte at which it stops being a path.
        at: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The segment has no such part.
    #[non_exhaustive]
    NoSuchPart {
        /// The path.
        path: String,
        /// What is there instead.
        reason: String,
    },
    /// Another process has written bytes that are not a value of their type.
    Invalid(InvalidValue),
    /// The value is not one that the part can have.
    #[non_exhaustive]
    WrongValue {
        /// The path of the part.
        path: String,
        /// What it can have.
        reason: String,
    },
    /// The part can be read only.
    #[non_exhaustive]
    NotSettable {
        /// The path of the part.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// The part has too many values to be read at once.
    #[non_exhaustive]
    TooLarge {
        /// The path of the part.
        path: String,
    },
    /// The value of a [`SeqLock`](crate::sync::SeqLock) changed during every attempt to read it:
    /// [`ReadError::Contended`](crate::sync::ReadError::Contended).
    #[non_exhaustive]
    Contended {
        /// The path of the part.
        path: String,
    },
    /// A living process held the lock around the part for the whole timeout, or the writer's role of its
    /// [`SeqLock`](crate::sync::SeqLock).
    #[non_exhaustive]
    Locked {
        /// The path of the part.
        path: String,
        /// The process.
        owner: Owner,
    },
    /// This thread holds the lock around the part, and would wait for itself.
    #[non_exhaustive]
    WouldDeadlock {
        /// The path of the part.
        path: String,
    },
    /// This process could not register as a participant, so its death under a lock would go unnoticed. This happens in children of
    /// `fork`.
    Unregistered(Box<ShmError>),
    /// The file of a dump could not be read.
    #[non_exhaustive]
    Os {
        /// The path of the part.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl fmt::Display for DynError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidPath { path, at, reason } => {
                let path = path.escape_debug();
                write!(f, "`{path}` is not a path: at byte {at}: {reason}")
            }
            Self::NoSuchPart { path, reason } => write!(f, "there is no `{path}`: {reason}"),
            Self::Invalid(value) => write!(f, "{value}"),
            Self::WrongValue { path, reason } => write!(f, "`{path}` cannot be set: {reason}"),
            Self::NotSettable { path, reason } => write!(f, "`{path}` cannot be set: {reason}"),
            Self::TooLarge { path } => write!(
                f,
                "`{path}` is too large to be read at once; read its fields, or ranges of its elements such as `[0..1000]`"
            ),
            Self::Contended { path } => write!(
                f,
                "`{path}` changed during every attempt to read it; another process keeps writing it, so try again"
            ),
            Self::Locked { path, owner } => write!(
                f,
                "`{path}` cannot be set: {owner} held the lock for the whole timeout; wait longer, or find out what the process \
                 waits for"
            ),
            Self::WouldDeadlock { path } => write!(
                f,
                "`{path}` cannot be set: this thread holds the lock; drop its guard first"
            ),
            Self::Unregistered(error) => write!(f, "{error}"),
            Self::Os { path, source } => {
                write!(f, "`{path}` could not be read from the file: {source}")
            }
        }
    }
}

debug_with_text! {
    enum DynError {
        InvalidPath { path, at, reason },
        NoSuchPart { path, reason },
        Invalid(value),
        WrongValue { path, reason },
        NotSettable { path, reason },
        TooLarge { path },
        Contended { path },
        Locked { path, owner },
        WouldDeadlock { path },
        Unregistered(error),
        Os { path, source },
    }
}

impl Error for DynError {}
