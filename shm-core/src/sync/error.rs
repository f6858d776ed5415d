//! Errors of locks, claims and waits.

use std::error::Error;
use std::fmt;

use super::{MutexGuard, Owner};
use crate::access::ReadWrite;
use crate::claim::word::{ClaimFailed, ClaimWord};
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
    /// Living owners held the lock for the whole timeout. This is the last one.
    TimedOut(Owner),
    /// A living owner holds the lock.
    WouldBlock(Owner),
    /// This thread holds the lock already, by another guard through the same handle, and would wait for itself. Drop that guard
    /// first, or use it in place of a second one. A guard that was leaked ([`std::mem::forget`]) still holds the lock.
    ///
    /// [`try_lock`](super::Mutex::try_lock) returns [`WouldBlock`](Self::WouldBlock) instead. Two cases are not detected: the
    /// thread holds the lock through another handle to the same segment, and a deadlock of several threads or processes.
    WouldDeadlock,
    /// This process could not register as a participant, so its death would go unnoticed. This happens in children of
    /// `fork`, which register at their first lock. The error holds what the system call returned,
    /// in a box so that results stay small.
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
            Self::TimedOut(owner) => LockError::TimedOut(owner),
            Self::WouldBlock(owner) => LockError::WouldBlock(owner),
            Self::WouldDeadlock => LockError::WouldDeadlock,
            Self::Unregistered(error) => LockError::Unregistered(error),
        }
    }

    #[cold]
    pub(super) fn from_claim(failed: ClaimFailed, claim: &ClaimWord, waited: bool) -> Self {
        match failed {
            ClaimFailed::Unregistered(error) => Self::Unregistered(error),
            ClaimFailed::WouldDeadlock => Self::WouldDeadlock,
            ClaimFailed::Owned(id) if waited => Self::TimedOut(Owner::alive_or_stopped(claim, id)),
            // Programs poll for a lock, so this must cost next to nothing.
            ClaimFailed::Owned(id) => Self::WouldBlock(Owner::alive(claim, id)),
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
            Self::TimedOut(owner) => write!(
                f,
                "timed out while {owner} held the lock; wait longer, or end that process"
            ),
            Self::WouldBlock(owner) => write!(
                f,
                "{owner} holds the lock; try again later, or wait with `lock_timeout`"
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
    Taken(Owner),
    /// This process could not register as a participant, so that others could not notice its death. This happens in children
    /// of `fork`, which register with their first claim. The error is the system's, in a box so
    /// that results stay small.
    Unregistered(Box<ShmError>),
}

impl ClaimError {
    #[cold]
    pub(super) fn from_claim(failed: ClaimFailed, claim: &ClaimWord) -> Self {
        let id = match failed {
            ClaimFailed::Owned(id) => id,
            // Cannot happen: a thread can pass an end on to another, so ends are not recorded.
            ClaimFailed::WouldDeadlock => claim.owner_id::<ReadWrite>(),
            ClaimFailed::Unregistered(error) => return Self::Unregistered(error),
        };
        Self::Taken(Owner::alive_or_stopped(claim, id))
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(owner) => write!(
                f,
                "{owner} holds this end; wait until it is free with `sender_timeout` or `receiver_timeout`, or end that process"
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
    enum LockError<G> { OwnerDied(..), TimedOut(owner), WouldBlock(owner), WouldDeadlock, Unregistered(error) }
    enum ClaimError { Taken(owner), Unregistered(error) }
    struct TimedOut;
}
