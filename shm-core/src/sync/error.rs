//! Errors that several of the types share.

use std::error::Error;
use std::fmt;

use crate::claim::word::ClaimFailed;
use crate::error::{ShmError, debug_with_text};

/// Why a lock was not had, or what is to be known about one that was.
#[non_exhaustive]
pub enum LockError<G> {
    /// The lock is held, by the guard in here. But an owner before has died or panicked with it, so what it protects may
    /// be half written. Bring that in order and call `mark_consistent` on the guard; without that the next owner is told
    /// the same.
    OwnerDied(G),
    /// A living owner kept the lock for the whole timeout.
    TimedOut,
    /// A living owner has the lock.
    WouldBlock,
    /// This process could not register as a participant, so its death would go unnoticed. It happens in children of
    /// `fork`, which register at their first lock: the error says what the system refused.
    Unregistered(ShmError),
}

impl<G> LockError<G> {
    /// The guard, if the lock is held in spite of the error.
    #[must_use = "dropped at once, the guard unlocks at once"]
    pub fn into_guard(self) -> Option<G> {
        match self {
            Self::OwnerDied(guard) => Some(guard),
            _ => None,
        }
    }

    pub(super) fn refused(refused: ClaimFailed, waited: bool) -> Self {
        match refused {
            ClaimFailed::Unregistered(error) => Self::Unregistered(error),
            ClaimFailed::Owned if waited => Self::TimedOut,
            ClaimFailed::Owned => Self::WouldBlock,
        }
    }
}

/// An end of a [`Ring`](super::Ring), or the sender of a [`Broadcast`](super::Broadcast), was not claimed.
#[non_exhaustive]
pub enum ClaimError {
    /// A living process holds it: another one, or another thread of this one. With a timeout, it held it until the end.
    ///
    /// A process that was killed counts as alive until the kernel has torn it down, some milliseconds for a small one.
    Taken,
    /// This process could not register as a participant, so that others could not notice its death. This happens in children
    /// of `fork`, which register with their first claim. The error is the system's.
    Unregistered(ShmError),
}

impl From<ClaimFailed> for ClaimError {
    fn from(failed: ClaimFailed) -> Self {
        match failed {
            ClaimFailed::Owned => Self::Taken,
            ClaimFailed::Unregistered(error) => Self::Unregistered(error),
        }
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str(
                "a living process holds this end, or one that died a moment ago; wait until it is free with \
                 `sender_timeout` or `receiver_timeout`, or end that process",
            ),
            Self::Unregistered(error) => write!(f, "this process cannot claim an end: {error}"),
        }
    }
}

impl Error for ClaimError {}

/// What was waited for has not come in time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was waited for has not come in time; wait longer, or see whether who should bring it lives")
    }
}

impl Error for TimedOut {}

debug_with_text! {
    enum LockError<G> { OwnerDied(..), TimedOut, WouldBlock, Unregistered(error) }
    enum ClaimError { Taken, Unregistered(error) }
    struct TimedOut;
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str(
                "an owner of the lock has died or panicked, and what it protects may be half written; bring it in order \
                 and call `mark_consistent`",
            ),
            Self::TimedOut => f.write_str(
                "the lock was not released in time; its owner lives, or has died a moment ago: wait longer, or end that process",
            ),
            Self::WouldBlock => f.write_str(
                "the lock is held by a living owner, or by one that has died a moment ago; try again later, or wait with \
                 `lock_timeout`",
            ),
            Self::Unregistered(error) => {
                write!(f, "this process cannot hold locks: {error}")
            }
        }
    }
}

impl<G> Error for LockError<G> {}
