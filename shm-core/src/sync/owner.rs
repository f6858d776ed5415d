//! The owner of a lock, an end or a role, for people and for processes that only look.

use std::fmt;
use std::num::NonZeroU32;

use crate::access::Access;
use crate::claim::word::{ClaimWord, Occupant};
use crate::error::debug::Fields;
use crate::sys::fork;

/// The process that holds a lock, an end of a queue, a writer's role or a seat, as it was when it was looked up:
/// [`Mutex::owner`](super::Mutex::owner), [`SeqLock::writer`](super::SeqLock::writer),
/// [`Ring::sender_owner`](super::Ring::sender_owner), [`Ring::receiver_owner`](super::Ring::receiver_owner),
/// [`Broadcast::sender_owner`](super::Broadcast::sender_owner), [`Barrier::seat_owner`](super::Barrier::seat_owner). Errors name it
/// too, such as [`LockError::TimedOut`](super::LockError::TimedOut).
///
/// Looking changes nothing and works through every handle, so a monitor needs no more than
/// [`attach_read_only`](crate::ShmLayout::attach_read_only).
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Mutex;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-owner-{}", std::process::id());
/// let counter = Mutex::<u64>::create(&name)?;
/// let monitor = Mutex::<u64>::attach_read_only(&name)?;
/// assert_eq!(monitor.owner(), None);
/// let guard = counter.lock()?;
/// let owner = monitor.owner().ok_or("no owner")?;
/// assert!(owner.is_alive());
/// assert_eq!(owner.pid(), Some(std::process::id()));
///
/// let refused = counter.try_lock().map(drop).unwrap_err();
/// println!("{refused}"); // process 4711 (also this process's pid) holds the lock; ..
/// assert!(refused.to_string().starts_with(&format!("{owner} holds the lock")));
/// # drop(guard);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pid: Option<NonZeroU32>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Alive,
    Stopped,
    Dead,
}

impl Owner {
    /// Looks up the owner of a role.
    pub(crate) fn of<A: Access>(claim: &ClaimWord) -> Option<Self> {
        match claim.occupant::<A>() {
            Occupant::Nobody => None,
            Occupant::Alive(id) => Some(Self::alive_or_stopped(claim, id)),
            Occupant::Dead(id) => Some(Self {
                pid: claim.pid(id),
                state: State::Dead,
            }),
        }
    }

    /// A process without a role, for texts.
    #[cfg(test)]
    pub(crate) fn example(pid: u32) -> Self {
        Self {
            pid: NonZeroU32::new(pid),
            state: State::Alive,
        }
    }

    /// A participant that is alive.
    pub(super) fn alive(claim: &ClaimWord, id: u32) -> Self {
        Self {
            pid: claim.pid(id),
            state: State::Alive,
        }
    }

    /// A participant that is alive, and may be stopped: a few system calls.
    pub(crate) fn alive_or_stopped(claim: &ClaimWord, id: u32) -> Self {
        let owner = Self::alive(claim, id);
        match owner.pid {
            // This process runs.
            Some(pid) if pid.get() != fork::pid() && claim.is_stopped(pid) => Self {
                state: State::Stopped,
                ..owner
            },
            _ => owner,
        }
    }

    /// Whether the process is alive. If it is not, no process has taken its place yet, and everything that it did in the segment
    /// is visible.
    ///
    /// `false` is certain. `true` may be late or unfounded: a killed process counts as alive until the kernel has torn it down,
    /// and every process does where nothing can be probed, for instance if the program has closed the handle's descriptor
    /// behind its back.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        !matches!(self.state, State::Dead)
    }

    /// Whether the process is alive and stopped, by a signal or by a debugger. It keeps what it holds.
    ///
    /// `true` was so a moment ago. `false` means nothing: it is also the answer if /proc does not show the process, as one in another
    /// pid namespace, and the answer of [`WouldBlock`](super::LockError::WouldBlock) errors, for which nothing is looked up.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// The process id, as the process sees itself. In another pid namespace the process has another id, and another process may have
    /// this one: two containers usually both have a process 1. So the pid is for people, and nothing in this library depends on
    /// it.
    ///
    /// `None` if the process is dead and this one has never probed it while it was alive, or if the role has just changed hands. A
    /// peer that may write to the segment can show a wrong pid.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        match self.pid {
            Some(pid) => Some(pid.get()),
            None => None,
        }
    }
}

/// A field of errors.
impl Fields for Owner {
    fn fmt_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `process 4711`, and in parentheses what is known besides.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("a process")?,
        }
        match self.state {
            State::Dead => f.write_str(" (dead)"),
            State::Stopped => f.write_str(" (stopped)"),
            State::Alive if self.pid().is_some_and(|pid| pid == fork::pid()) => {
                f.write_str(" (also this process's pid)")
            }
            State::Alive => Ok(()),
        }
    }
}
