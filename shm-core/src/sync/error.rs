//! Errors of locks, claims and waits.

use std::error::Error;
use std::fmt;

use super::MutexGuard;
use crate::claim::word::ClaimFailed;
use crate::error::{ShmError, debug_with_text};
use crate::shm_layout::ShmLayout;

/// Returned when a [`Mutex`](super::Mutex) is not locked, or is locked after an owner died.
///
/// `G` is the guard where the lock is held in spite of the error. An error with a guard borrows the mutex, so it is no
/// [`std::error::Error`]; `LockError`, short for `LockError<()>`, is one and owns all that it holds. `?` makes the owned
/// error in functions that return `Box<dyn Error>`: it drops the guard, which unlocks, and the next owner gets
/// [`OwnerDied`](Self::OwnerDied) again. Elsewhere use [`lock_recover`](super::Mutex::lock_recover), whose error is owned, or
/// [`into_owned`](Self::into_owned).
///
/// ```
/// use shm_core::sync::{LockError, Mutex};
///
/// fn add(balance: &Mutex<i64>, amount: i64) -> Result<(), Box<dyn std::error::Error>> {
///     let guard = balance.lock()?;
///     guard.set(guard.get() + amount);
///     Ok(())
/// }
///
/// fn add_or(balance: &Mutex<i64>, amount: i64) -> Result<(), LockError> {
///     let guard = balance.lock().map_err(LockError::into_owned)?;
///     guard.set(guard.get() + amount);
///     Ok(())
/// }
/// ```
#[non_exhaustive]
pub enum LockError<G = ()> {
    /// The lock is held, by the contained guard. But an earlier owner died or panicked while it held the lock, so the value may
    /// be half written. Repair it, then call [`mark_consistent`](super::MutexGuard::mark_consistent) on the guard;
    /// otherwise the next owner gets this error too.
    OwnerDied(G),
    /// A living owner held the lock for the whole timeout.
    TimedOut,
    /// A living owner holds the lock.
    WouldBlock,
    /// This thread holds the lock already, by another guard through the same handle, and would wait for itself. Drop that guard
    /// first, or use it in place of a second one. A guard that was leaked ([`std::mem::forget`]) still holds the lock.
    ///
    /// [`try_lock`](super::Mutex::try_lock) returns [`WouldBlock`](Self::WouldBlock) instead. Two cases are not detected: the
    /// thread holds the lock through another handle to the same segment, and a deadlock of several threads or processes.
    WouldDeadlock,
    /// This process could not register as a participant, so its death would go unnoticed. This happens in children of
    /// `fork`, which register at their first lock. The error holds what the system call returned, in a box, as locking would
    /// otherwise return many bytes each time.
    Unregistered(Box<ShmError>),
}

impl<G> LockError<G> {
    /// The guard, if the lock is held in spite of the error.
    #[must_use = "dropping the guard unlocks the mutex"]
    pub fn into_guard(self) -> Option<G> {
        match self {
            Self::OwnerDied(guard) => Some(guard),
            _ => None,
        }
    }

    /// The error without the guard, which is dropped: if the lock was held, it is released, still marked as left by a dead
    /// owner.
    #[must_use]
    pub fn into_owned(self) -> LockError {
        match self {
            Self::OwnerDied(_) => LockError::OwnerDied(()),
            Self::TimedOut => LockError::TimedOut,
            Self::WouldBlock => LockError::WouldBlock,
            Self::WouldDeadlock => LockError::WouldDeadlock,
            Self::Unregistered(error) => LockError::Unregistered(error),
        }
    }

    pub(super) fn from_claim(failed: ClaimFailed, waited: bool) -> Self {
        match failed {
            ClaimFailed::Unregistered(error) => Self::Unregistered(Box::new(error)),
            ClaimFailed::WouldDeadlock => Self::WouldDeadlock,
            ClaimFailed::Owned if waited => Self::TimedOut,
            ClaimFailed::Owned => Self::WouldBlock,
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str(
                "an owner of the lock died or panicked while it held it, so the value may be half written; lock with \
                 `lock_recover` to repair it, or repair it through the guard and call `mark_consistent`",
            ),
            Self::TimedOut => f.write_str(
                "timed out while another owner held the lock, which is alive or has just died; wait longer, or end that \
                 process, which may be this one with another handle",
            ),
            Self::WouldBlock => f.write_str(
                "another owner holds the lock, and is alive or has just died; try again later, or wait with \
                 `lock_timeout`",
            ),
            Self::WouldDeadlock => f.write_str(
                "this thread holds the lock already and would wait for itself; drop the first guard before, or use it instead",
            ),
            Self::Unregistered(error) => {
                write!(f, "this process cannot hold locks: {error}")
            }
        }
    }
}

impl Error for LockError {}

/// See [`LockError`].
impl<'e, T: ShmLayout> From<LockError<MutexGuard<'_, T>>> for Box<dyn Error + 'e> {
    fn from(error: LockError<MutexGuard<'_, T>>) -> Self {
        error.into_owned().into()
    }
}

/// See [`LockError`].
impl<'e, T: ShmLayout> From<LockError<MutexGuard<'_, T>>> for Box<dyn Error + Send + Sync + 'e> {
    fn from(error: LockError<MutexGuard<'_, T>>) -> Self {
        error.into_owned().into()
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
            // A thread can pass an end on to another, so ends are not recorded.
            ClaimFailed::Owned | ClaimFailed::WouldDeadlock => Self::Taken,
            ClaimFailed::Unregistered(error) => Self::Unregistered(error),
        }
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str(
                "a living process holds this end, or one that died a moment ago; wait until it is free with \
                 `sender_timeout` or `receiver_timeout`, or end that process, which may be this one with another handle",
            ),
            Self::Unregistered(error) => write!(f, "this process cannot claim an end: {error}"),
        }
    }
}

impl Error for ClaimError {}

/// Returned when a wait ends before what it waits for has happened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out; wait longer, or check that the peer is still running")
    }
}

impl Error for TimedOut {}

debug_with_text! {
    enum LockError<G> { OwnerDied(..), TimedOut, WouldBlock, WouldDeadlock, Unregistered(error) }
    enum ClaimError { Taken, Unregistered(error) }
    struct TimedOut;
}
