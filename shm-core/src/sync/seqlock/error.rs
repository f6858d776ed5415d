//! The errors of reading and writing.

use std::error::Error;
use std::fmt;

use crate::claim::word::{ClaimFailed, ClaimWord};
use crate::error::InvalidValue;
use crate::error::{ShmError, debug_with_text};
use crate::sync::Owner;

/// Returned when a [`SeqLock`](super::SeqLock) is not read.
#[non_exhaustive]
#[derive(Clone)]
pub enum ReadError {
    /// Commits overtook every one of many attempts: 2^18 for a small value, fewer for a large one, and at least 1000.
    ///
    /// A reader that is preempted loses one attempt each time, and one next to a writer that commits without a pause
    /// some hundred. So this means one of two things:
    ///
    /// - A peer breaks the protocol: it keeps moving the version without committing values.
    /// - This reader is slower than `SLOTS - 1` commits **every** time, for instance under an emulator or a debugger. Give
    ///   the lock more slots.
    Contended,
    /// The last committed value contains bytes that are not a valid value of their type. A peer has written them, or nothing was
    /// committed yet and zero is not a value of the type.
    Invalid(InvalidValue),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contended => f.write_str(
                "commits overtook every attempt to read; give the lock more slots, or look for a peer that breaks the \
                 protocol",
            ),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {}

/// Returned when this process does not get to write to a [`SeqLock`](super::SeqLock).
#[non_exhaustive]
pub enum WriteError {
    /// Living writers held the role for the whole timeout. This is the last one.
    TimedOut(Owner),
    /// A living writer holds the role.
    WouldBlock(Owner),
    /// This thread holds the role already through the same handle, with a guard or inside a closure, and would wait for itself.
    /// Finish that write first, or change its private copy. A guard that was leaked ([`std::mem::forget`]) still holds the role.
    ///
    /// [`try_write`](super::SeqLock::try_write) returns [`WouldBlock`](Self::WouldBlock) instead. Two cases are not detected: the
    /// thread holds the role through another handle to the same segment, and a deadlock of several threads or processes.
    WouldDeadlock,
    /// The present value, which the guard would give access to, contains bytes that are not a valid value of their type: see
    /// [`ReadError::Invalid`]. [`store`](super::SeqLock::store) needs no present value.
    Invalid(InvalidValue),
    /// This process could not register as a participant, so its death would go unnoticed. This happens in children of
    /// `fork`, which register at their first write. The error holds what the system call returned,
    /// in a box so that results stay small.
    Unregistered(Box<ShmError>),
    /// Nothing was committed: this process is a fork child, and the writer's role belongs to its parent. The child inherited it
    /// with a guard, or was forked inside a closure.
    Inherited,
}

impl WriteError {
    #[cold]
    pub(super) fn from_claim(failed: ClaimFailed, claim: &ClaimWord, waited: bool) -> Self {
        match failed {
            ClaimFailed::Unregistered(error) => Self::Unregistered(error),
            ClaimFailed::WouldDeadlock => Self::WouldDeadlock,
            ClaimFailed::Owned(id) if waited => Self::TimedOut(Owner::alive_or_stopped(claim, id)),
            // Programs poll for the role, so this must cost next to nothing.
            ClaimFailed::Owned(id) => Self::WouldBlock(Owner::alive(claim, id)),
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(owner) => write!(
                f,
                "timed out while {owner} held the writer's role; wait longer, or end that process"
            ),
            Self::WouldBlock(owner) => write!(
                f,
                "{owner} holds the writer's role; try again later, or wait with `write_timeout`"
            ),
            Self::WouldDeadlock => f.write_str(
                "this thread holds the writer's role already and would wait for itself; finish the first write before, or make \
                 both changes in it",
            ),
            Self::Invalid(error) => write!(f, "{error}; `store` a whole value instead"),
            Self::Unregistered(error) => write!(f, "this process cannot write: {error}"),
            Self::Inherited => f.write_str(
                "the writer's role belongs to the process that this one was forked from; begin a new write with `write`, \
                 `update` or `store`",
            ),
        }
    }
}

impl Error for WriteError {}

// Each read and write returns one of these or a result.
const _: () = assert!(size_of::<ReadError>() == 8 && size_of::<Result<u64, WriteError>>() == 16);

debug_with_text! {
    enum ReadError { Contended, Invalid(value) }
    enum WriteError { TimedOut(owner), WouldBlock(owner), WouldDeadlock, Invalid(value), Unregistered(error), Inherited }
}
