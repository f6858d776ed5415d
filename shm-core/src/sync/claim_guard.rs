//! An exclusive role as a value: it is given up when it is dropped.

use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::primitive::AtomicU32;
use crate::protocol::eventcount::notify;
use crate::sync::sleeper::Futex;

/// A claim that is held. Dropping it gives the role up; in a fork child, which only has a copy, it does nothing.
#[derive(Debug)]
pub(super) struct ClaimGuard<'a> {
    claim: &'a ClaimWord,
    /// The id that the role was claimed with.
    me: u32,
    /// The eventcount of those who want to know when it is given up.
    eventcount: Option<&'a AtomicU32>,
}

impl<'a> ClaimGuard<'a> {
    /// Claims the role. Whether the one before died does not matter to the types that use this: what it had begun was
    /// never published.
    #[inline(always)]
    pub(super) fn claim(claim: &'a ClaimWord, timeout: Timeout) -> Result<Self, ClaimFailed> {
        let held = match claim.claim_free() {
            Some(held) => held,
            None => claim.claim(timeout)?,
        };
        Ok(Self {
            claim,
            me: held.me,
            eventcount: None,
        })
    }

    /// Claims the role if it is free: without a look at the clock.
    #[inline(always)]
    pub(super) fn claim_free(claim: &'a ClaimWord) -> Option<Self> {
        let me = claim.claim_free()?.me;
        Some(Self {
            claim,
            me,
            eventcount: None,
        })
    }

    /// Wakes who sleeps on the eventcount: now that the role is taken, and when it is given up.
    pub(super) fn notifying(mut self, eventcount: &'a AtomicU32) -> Self {
        notify(eventcount, &Futex);
        self.eventcount = Some(eventcount);
        self
    }

    /// Whether this process is the one that has the role, and not a fork child of it.
    #[inline(always)]
    pub(super) fn is_mine(&self) -> bool {
        self.claim.is_mine(self.me)
    }
}

impl Drop for ClaimGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // In a fork child there is nothing to give up, and nothing to tell.
        let mine = self.is_mine();
        self.claim.release(self.me, false);
        if let Some(eventcount) = self.eventcount.filter(|_| mine) {
            // Afterwards, so that the claim is found free.
            notify(eventcount, &Futex);
        }
    }
}
