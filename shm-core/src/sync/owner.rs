//! The owner of a lock, an end or a role, for processes that only look.

use crate::access::Access;
use crate::claim::word::{ClaimWord, Occupant};

/// The process that holds a lock, an end of a queue, a writer's role or a seat, as it was when it was looked up:
/// [`Mutex::owner`](super::Mutex::owner), [`SeqLock::writer`](super::SeqLock::writer),
/// [`Ring::sender_owner`](super::Ring::sender_owner), [`Ring::receiver_owner`](super::Ring::receiver_owner),
/// [`Broadcast::sender_owner`](super::Broadcast::sender_owner), [`Barrier::seat_owner`](super::Barrier::seat_owner).
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
/// assert!(monitor.owner().is_some_and(|owner| owner.is_alive()));
/// # drop(guard);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    alive: bool,
}

impl Owner {
    /// Looks up the owner of a role.
    pub(super) fn of<A: Access>(claim: &ClaimWord) -> Option<Self> {
        match claim.occupant::<A>() {
            Occupant::Nobody => None,
            Occupant::Alive => Some(Self { alive: true }),
            Occupant::Dead => Some(Self { alive: false }),
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
        self.alive
    }
}
