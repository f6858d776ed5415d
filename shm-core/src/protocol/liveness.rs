//! Liveness of a peer in a role: what others see of it, and what they cache.
//!
//! # Synchronization
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | claim | a process that joins or leaves | the owner of the role; after a death still the dead one |
//! | `joined` | a process that joins | 1 from the first time that a process owned the role |
//!
//! | step | by | how | ordering |
//! |---|---|---|---|
//! | join | a process that has just claimed the role | 1 into `joined` | release |
//! | has it left? | anyone | `joined`, then the claim, which is free | acquire, both; through a read-only mapping relaxed, each followed by an acquire fence |
//! | is it dead? | anyone | a probe of the id in the claim | acquire |
//! | notify | a process that has joined | wakes the processes that wait for one to join, as [`eventcount`](crate::protocol::eventcount) says | a full fence |
//! | is it present? | a process that waits for one to join | the claim has an id, which a probe does not find dead | acquire |
//!
//! Others wait for a role that nobody has ever owned, and do not wait for one that was released. Its claim is free in both
//! cases, and `joined` tells them apart. It is loaded first: a process that sees `joined` set also sees the claim of that
//! owner, by release and acquire. In the other order the very first owner could join between the two loads, and would seem
//! to have left.
//!
//! A process that waits for one to join checks the claim after it has announced itself, and one that joins checks for
//! sleepers after its claim. So one of them sees the other.
//!
//! An id that was found dead is not given out again for a billion registrations. So it is cached: it need not be probed
//! again, and the answer stays the same until another process joins, however seldom it is asked for.
//!
//! A process that is **killed** before it has written `joined`, or before it has notified, is in the claim, and found dead
//! there. Processes that wait for it check at the end of their slices.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};

/// The state of a role as others see it.
pub(crate) trait PeerState {
    /// The ordering of the load of `joined`. Only mutants change it.
    const JOINED: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. If not, a fence provides the ordering of `JOINED`: see [`load`].
    const WRITABLE: bool = true;

    /// Whether any process ever owned it.
    fn joined(&self) -> &AtomicU32;
    /// The owner's id, or 0. What earlier owners did happened before this.
    fn owner(&self) -> u32;
    /// Whether that participant is certainly dead. What it did happened before this.
    fn is_dead(&self, owner: u32) -> bool;
    /// The same, but it may have died since an answer that is up to a tick old.
    fn is_known_dead(&self, owner: u32) -> bool {
        self.is_dead(owner)
    }
}

/// Records that a process has joined. The caller has just claimed the role.
pub(crate) fn mark_joined(joined: &AtomicU32) {
    joined.store(1, Ordering::Release);
}

/// Whether the role was released.
#[inline]
pub(crate) fn has_left<R: PeerState>(role: &R) -> bool {
    // In this order.
    load(role.joined(), R::JOINED, R::WRITABLE) != 0 && role.owner() == 0
}

/// What an observer knows of a role.
#[derive(Debug)]
pub(crate) struct PeerWatch<'a, C> {
    role: &'a C,
    /// The last owner that was found dead, or 0. Private to this process.
    ///
    /// Written with release and read with acquire: what the dead owner did happened before, for each thread that reads it.
    dead: AtomicU32,
}

impl<'a, C> PeerWatch<'a, C> {
    pub(crate) fn new(role: &'a C) -> Self {
        Self {
            role,
            dead: AtomicU32::new(0),
        }
    }

    pub(crate) const fn role(&self) -> &'a C {
        self.role
    }
}

impl<C: PeerState> PeerWatch<'_, C> {
    /// Whether the last owner has left, as `has_left` says, or is cached as dead; without a system call. What it did happened
    /// before the answer, as for the other answers.
    #[inline]
    pub(crate) fn is_gone(&self, has_left: impl FnOnce(&C) -> bool) -> bool {
        let owner = self.role.owner();
        (owner != 0 && self.is_cached_dead(owner)) || has_left(self.role)
    }

    /// Whether the role has an owner, which is certainly dead.
    pub(crate) fn is_dead(&self) -> bool {
        let owner = self.role.owner();
        owner != 0 && self.probe(owner)
    }

    /// Whether the role has an owner that is not known to be dead.
    pub(crate) fn is_present(&self) -> bool {
        let owner = self.role.owner();
        owner != 0 && !self.probe(owner)
    }

    #[inline]
    fn is_cached_dead(&self, owner: u32) -> bool {
        self.dead.load(Ordering::Acquire) == owner
    }

    /// Caches the death of an owner that has been dead for some time, so that [`is_gone`](Self::is_gone) reports it. Called before
    /// a wait, which would probe it after its first sleep only. A living owner is probed once a tick at most, however many
    /// waits begin.
    pub(crate) fn look_before_waiting(&self) {
        let owner = self.role.owner();
        if owner != 0 && !self.is_cached_dead(owner) && self.role.is_known_dead(owner) {
            self.dead.store(owner, Ordering::Release);
        }
    }

    /// Probes `owner` unless its death is cached. `owner` must be nonzero.
    fn probe(&self, owner: u32) -> bool {
        if self.is_cached_dead(owner) {
            return true;
        }
        let dead = self.role.is_dead(owner);
        if dead {
            self.dead.store(owner, Ordering::Release);
        }
        dead
    }
}

/// The clone has the same cache.
impl<C> Clone for PeerWatch<'_, C> {
    fn clone(&self) -> Self {
        let dead = self.dead.load(Ordering::Acquire);
        Self {
            role: self.role,
            dead: AtomicU32::new(dead),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A role, and the ids that were probed.
    #[derive(Default)]
    struct Role {
        joined: AtomicU32,
        owner: Cell<u32>,
        dead: Cell<u32>,
        probed: Cell<Vec<u32>>,
    }

    impl PeerState for Role {
        fn joined(&self) -> &AtomicU32 {
            &self.joined
        }
        fn owner(&self) -> u32 {
            self.owner.get()
        }
        fn is_dead(&self, owner: u32) -> bool {
            let mut probed = self.probed.take();
            probed.push(owner);
            self.probed.set(probed);
            owner == self.dead.get()
        }
    }

    #[test]
    fn a_look_probes_owners_that_are_not_known_to_be_dead() {
        let role = Role::default();
        let watch = PeerWatch::new(&role);
        let look = |owner, dead| {
            role.owner.set(owner);
            role.dead.set(dead);
            watch.look_before_waiting();
            (watch.is_gone(|_| false), role.probed.take())
        };
        assert_eq!(look(5, 9), (false, vec![5]));
        assert_eq!(look(5, 5), (true, vec![5]));
        assert_eq!(look(5, 5), (true, vec![]));
        // No owner is none that could be dead, and the death of the last one stays known.
        assert_eq!(look(0, 0), (false, vec![]));
        assert_eq!(look(5, 9), (true, vec![]));
        assert_eq!(look(6, 9), (false, vec![6]));
    }
}
