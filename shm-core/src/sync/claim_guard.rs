//! Held claims as guards, which release them when dropped.

use std::mem::ManuallyDrop;

use crate::claim::process::Registered;
use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::primitive::AtomicU32;
use crate::protocol::eventcount::notify;
use crate::sync::sleeper::ReaderFutex;

/// A held claim. Dropping it releases the role; in a fork child, which only has a copy, it does nothing.
#[derive(Debug)]
pub(super) struct ClaimGuard<'a> {
    claim: &'a ClaimWord,
    /// What the role was claimed with.
    registered: Registered,
    /// The eventcount to notify after the release.
    eventcount: Option<&'a AtomicU32>,
}

impl<'a> ClaimGuard<'a> {
    /// Claims the role. Whether the previous owner died does not matter to the types that use this: what it had begun was
    /// never published.
    #[inline(always)]
    pub(super) fn claim(claim: &'a ClaimWord, timeout: Timeout) -> Result<Self, ClaimFailed> {
        let held = match claim.claim_free() {
            Some(held) => held,
            None => claim.claim(timeout)?,
        };
        Ok(Self {
            claim,
            registered: held.registered,
            eventcount: None,
        })
    }

    /// Claims the role if it is free, without reading the clock.
    #[inline(always)]
    pub(super) fn claim_free(claim: &'a ClaimWord) -> Option<Self> {
        let registered = claim.claim_free()?.registered;
        Some(Self {
            claim,
            registered,
            eventcount: None,
        })
    }

    /// Wakes all sleepers on the eventcount: now, since the role is taken, and when it is released.
    pub(super) fn notifying(mut self, eventcount: &'a AtomicU32) -> Self {
        notify(eventcount, &ReaderFutex);
        self.eventcount = Some(eventcount);
        self
    }

    /// Whether this process holds the role. A fork child of the owner does not.
    #[inline(always)]
    pub(super) fn is_mine(&self) -> bool {
        self.registered.is_current()
    }
}

impl Drop for ClaimGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // In a fork child there is nothing to release and nobody to notify.
        let mine = self.claim.release_held(self.registered);
        if let Some(eventcount) = self.eventcount.filter(|_| mine) {
            // After the release, so that the sleepers find the claim free.
            notify(eventcount, &ReaderFutex);
        }
    }
}

/// A held claim that cannot leave its thread. If the thread waits for the role meanwhile, it gets
/// [`ClaimFailed::WouldDeadlock`].
#[derive(Debug)]
pub(super) struct ThreadClaim<'a> {
    claim: &'a ClaimWord,
    /// What the role was claimed with.
    registered: Registered,
}

impl<'a> ThreadClaim<'a> {
    /// The value must stay in this thread.
    #[inline(always)]
    pub(super) fn new(guard: ClaimGuard<'a>) -> Self {
        let guard = ManuallyDrop::new(guard);
        guard.claim.record_in_thread(guard.registered);
        Self {
            claim: guard.claim,
            registered: guard.registered,
        }
    }

    /// As [`ClaimGuard::is_mine`].
    #[inline(always)]
    pub(super) fn is_mine(&self) -> bool {
        self.registered.is_current()
    }
}

impl Drop for ThreadClaim<'_> {
    #[inline]
    fn drop(&mut self) {
        self.claim.release_held_in_thread(self.registered);
    }
}
