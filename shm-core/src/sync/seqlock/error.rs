//! What can become of reading, writing and waiting.

use std::error::Error;
use std::fmt;

use crate::claim::word::ClaimFailed;
use crate::error::InvalidValue;
use crate::error::{ShmError, debug_with_text};

/// Why a value was not read.
#[non_exhaustive]
#[derive(Clone)]
pub enum ReadError {
    /// Every copy, for a second and at least a thousand of them, was overtaken by commits. Either a peer writes what it likes
    /// into the version, or this reader is far slower than the writer: see [`SeqLock::read`](super::SeqLock::read).
    Contended,
    /// The last value that was committed holds what is no value of its type. A peer has written it, or it was never
    /// written and zero is no value of the type.
    Invalid(InvalidValue),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contended => f.write_str(
                "commits overtook every try to read for a second; give the lock more slots, or look for a peer that \
                 breaks the protocol",
            ),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {}

/// Why this process does not write.
#[non_exhaustive]
pub enum WriteError {
    /// A living writer was at it for the whole timeout.
    TimedOut,
    /// A living writer is at it.
    WouldBlock,
    /// The present value, which the guard would give access to, is no value of the type: see
    /// [`ReadError::Invalid`]. A `store` needs no present value.
    Invalid(InvalidValue),
    /// This process could not register as a participant, so its death would go unnoticed. It happens in children of
    /// `fork`, which register at their first write: the error says what the system refused.
    Unregistered(ShmError),
    /// Nothing was committed: this process is a fork child, and the writer's role that it has inherited, as a guard or in
    /// the middle of a closure, is its parent's.
    Inherited,
}

impl WriteError {
    pub(super) fn refused(refused: ClaimFailed, waited: bool) -> Self {
        match refused {
            ClaimFailed::Unregistered(error) => Self::Unregistered(error),
            ClaimFailed::Owned if waited => Self::TimedOut,
            ClaimFailed::Owned => Self::WouldBlock,
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str(
                "another writer was at it all the time, and lives or has died a moment ago; wait longer, or end that process",
            ),
            Self::WouldBlock => f.write_str(
                "another writer is at it, and lives or has died a moment ago; try again later, or wait with \
                 `write_timeout`",
            ),
            Self::Invalid(error) => write!(f, "{error}; `store` a whole value instead"),
            Self::Unregistered(error) => write!(f, "this process cannot write: {error}"),
            Self::Inherited => f.write_str(
                "the writer's role belongs to the process that this one was forked from; write anew, with `write`, \
                 `update` or `store`",
            ),
        }
    }
}

impl Error for WriteError {}

debug_with_text! {
    enum ReadError { Contended, Invalid(value) }
    enum WriteError { TimedOut, WouldBlock, Invalid(value), Unregistered(error), Inherited }
}
