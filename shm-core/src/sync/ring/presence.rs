//! Whether somebody is at the other end.
//!
//! # Synchronization
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | claim | who comes, who leaves | who has the end; after a death still the dead one |
//! | `came` | who comes | 1 since somebody first had the end |
//!
//! | step | by | how | ordering |
//! |---|---|---|---|
//! | come | who has just claimed the end | 1 into `came` | release |
//! | tell | the same | wakes who sleeps at the other end, as [`eventcount`](crate::sync::eventcount) says | a full fence |
//! | has it left? | the other end | `came`, then the claim, which is free | acquire, both |
//! | is it dead? | the other end | a probe of the id that is in the claim | acquire |
//! | is it there? | the other end, waiting for it | the claim has an id, which a probe does not find dead | acquire |
//!
//! - An end that nobody ever had is waited for, and one that was given up is not. Its claim is free in both cases, and
//!   `came` tells them apart. It is looked at first: who sees that somebody came also sees the claim of that one, by
//!   release and acquire. The other way round the very first one could come between the two looks, and would seem to have
//!   left.
//! - An id that was found dead is nobody else's for a billion registrations, so it need not be asked for again. It also
//!   keeps the answer the same until somebody else comes.
//! - Who waits for somebody to come looks at the claim after it has announced itself, and who comes looks for sleepers
//!   after its claim. So one of them sees the other.
//!
//! **Killed** before it has written `came` or told anybody, one who came is in the claim, and found dead there. Who waits for it
//! looks by itself at the end of its slice.

use super::protocol::{Other, Steps};
use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;

/// An end, as far as the other end looks at it.
pub(super) trait Seen {
    /// Whether anybody ever had it.
    fn came(&self) -> &AtomicU32;
    /// Who has it: an id, or 0. What the one before did happened before this.
    fn owner(&self) -> u32;
    /// Whether that participant is dead for sure. What it did before happened before this.
    fn is_dead(&self, owner: u32) -> bool;
}

/// Notes down that somebody has come. For who has just claimed the end.
pub(super) fn come<S: Steps>(came: &AtomicU32) {
    came.store(1, S::COME);
}

/// Whether an end was given up.
#[inline]
pub(super) fn has_left(seat: &impl Seen) -> bool {
    // In this order.
    seat.came().load(Ordering::Acquire) != 0 && seat.owner() == 0
}

/// What one end knows of the other.
#[derive(Debug)]
pub(super) struct Watch<'a, C> {
    seat: &'a C,
    /// The last one that was found dead there, or 0. Only this process looks at it.
    dead: std::sync::atomic::AtomicU32,
}

impl<'a, C: Seen> Watch<'a, C> {
    pub(super) fn new(seat: &'a C) -> Self {
        Self {
            seat,
            dead: std::sync::atomic::AtomicU32::new(0),
        }
    }

    fn is_known_dead(&self, owner: u32) -> bool {
        self.dead.load(Ordering::Relaxed) == owner
    }

    /// Asks, or knows already. Never of nobody.
    fn finds_dead(&self, owner: u32) -> bool {
        let dead = self.is_known_dead(owner) || self.seat.is_dead(owner);
        if dead {
            self.dead.store(owner, Ordering::Relaxed);
        }
        dead
    }
}

impl<C: Seen> Other for Watch<'_, C> {
    fn is_gone<S: Steps>(&self) -> bool {
        let owner = self.seat.owner();
        (owner != 0 && self.is_known_dead(owner)) || S::has_left(self.seat)
    }

    fn is_dead(&self) -> bool {
        let owner = self.seat.owner();
        owner != 0 && self.finds_dead(owner)
    }

    fn is_there(&self) -> bool {
        let owner = self.seat.owner();
        owner != 0 && !self.finds_dead(owner)
    }
}
