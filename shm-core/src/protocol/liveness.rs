//! Whether somebody has a role: what others see of it, and what they remember of that.
//!
//! # Synchronization
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | claim | who comes, who leaves | who has the role; after a death still the dead one |
//! | `joined` | who comes | 1 since somebody first had the role |
//!
//! | step | by | how | ordering |
//! |---|---|---|---|
//! | come | who has just claimed the role | 1 into `joined` | release |
//! | has it left? | anybody | `joined`, then the claim, which is free | acquire, both; through a read-only mapping relaxed, each with an acquire fence behind it |
//! | is it dead? | anybody who takes part | a probe of the id that is in the claim | acquire |
//! | tell | who has come | wakes who waits for somebody to come, as [`eventcount`](crate::protocol::eventcount) says | a full fence |
//! | is it there? | who waits for that | the claim has an id, which a probe does not find dead | acquire |
//!
//! A role that nobody ever had is waited for, and one that was given up is not. Its claim is free in both cases, and `joined`
//! tells them apart. It is looked at first: who sees that somebody came also sees the claim of that one, by release and
//! acquire. The other way round the very first one could come between the two looks, and would seem to have left.
//!
//! Who waits for somebody to come looks at the claim after it has announced itself, and who comes looks for sleepers after
//! its claim. So one of them sees the other.
//!
//! An id that was found dead is nobody else's for a billion registrations. So whoever has found it remembers it: it need not
//! ask again, and its answer stays the same until somebody else comes, however seldom it asks.
//!
//! **Killed** before it has written `joined`, or before it has told anybody, one who came is in the claim, and found dead
//! there. Who waits for it looks by itself at the end of its slice.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};

/// A role, as far as others look at it.
pub(crate) trait PeerState {
    /// How `joined` is looked at. Only a model that is to fail looks in another way.
    const JOINED: Ordering = Ordering::Acquire;
    /// Whether it is looked at through a mapping that may be written. Where not, a fence does what `JOINED` says: see [`load`].
    const WRITABLE: bool = true;

    /// Whether anybody ever had it.
    fn joined(&self) -> &AtomicU32;
    /// Who has it: an id, or 0. What the one before did happened before this.
    fn owner(&self) -> u32;
    /// Whether that participant is dead for sure. What it did before happened before this.
    fn is_dead(&self, owner: u32) -> bool;
}

/// Notes down that somebody has come. For who has just claimed the role.
pub(crate) fn mark_joined(joined: &AtomicU32) {
    joined.store(1, Ordering::Release);
}

/// Whether the role was given up.
#[inline]
pub(crate) fn has_left<R: PeerState>(role: &R) -> bool {
    // In this order.
    load(role.joined(), R::JOINED, R::WRITABLE) != 0 && role.owner() == 0
}

/// What one who looks on knows of a role.
#[derive(Debug)]
pub(crate) struct PeerWatch<'a, C> {
    role: &'a C,
    /// The last one that was found dead there, or 0. Only this process looks at it.
    ///
    /// Written with release and read with acquire: what the dead one did happened before, for each thread that knows.
    dead: std::sync::atomic::AtomicU32,
}

impl<'a, C> PeerWatch<'a, C> {
    pub(crate) const fn new(role: &'a C) -> Self {
        Self {
            role,
            dead: std::sync::atomic::AtomicU32::new(0),
        }
    }

    pub(crate) const fn role(&self) -> &'a C {
        self.role
    }
}

impl<C: PeerState> PeerWatch<'_, C> {
    /// Whether it is known, without asking the kernel, that somebody had the role and has left, as `has_left` says, or died.
    /// What that one did happened before the answer. (So it does for the other answers.)
    #[inline]
    pub(crate) fn is_gone(&self, has_left: impl FnOnce(&C) -> bool) -> bool {
        let owner = self.role.owner();
        (owner != 0 && self.is_cached_dead(owner)) || has_left(self.role)
    }

    /// Whether somebody has the role, and is dead for sure.
    pub(crate) fn is_dead(&self) -> bool {
        let owner = self.role.owner();
        owner != 0 && self.probe(owner)
    }

    /// Whether somebody has the role, and lives as far as can be told.
    pub(crate) fn is_present(&self) -> bool {
        let owner = self.role.owner();
        owner != 0 && !self.probe(owner)
    }

    #[inline]
    fn is_cached_dead(&self, owner: u32) -> bool {
        self.dead.load(Ordering::Acquire) == owner
    }

    /// Asks, or knows already. Never of nobody.
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

/// Another one that knows as much.
impl<C> Clone for PeerWatch<'_, C> {
    fn clone(&self) -> Self {
        let dead = self.dead.load(Ordering::Acquire);
        Self {
            role: self.role,
            dead: std::sync::atomic::AtomicU32::new(dead),
        }
    }
}
