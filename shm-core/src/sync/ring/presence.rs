//! Whether somebody is at the other end, as [`presence`](crate::sync::presence) tells it, and what is remembered of that.
//!
//! # Synchronization
//!
//! | step | by | how | ordering |
//! |---|---|---|---|
//! | tell | who has come to an end | wakes who sleeps at the other end, as [`eventcount`](crate::sync::eventcount) says | a full fence |
//! | is it there? | the other end, waiting for it | the claim has an id, which a probe does not find dead | acquire |
//!
//! - An id that was found dead is nobody else's for a billion registrations, so it need not be asked for again. It also
//!   keeps the answer the same until somebody else comes.
//! - Who waits for somebody to come looks at the claim after it has announced itself, and who comes looks for sleepers
//!   after its claim. So one of them sees the other.
//!
//! **Killed** before it has told anybody, one who came is in the claim, and found dead there. Who waits for it looks by itself
//! at the end of its slice.

use super::protocol::{Other, Steps};
use crate::primitive::Ordering;
use crate::sync::presence::Seen;

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
