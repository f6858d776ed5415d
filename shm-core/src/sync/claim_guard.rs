//! Held claims as guards, which release them when dropped.

use std::mem::ManuallyDrop;

use crate::claim::membarrier;
use crate::claim::process::Registered;
use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::primitive::AtomicU32;
use crate::primitive::model::{CommitOrder, EXCHANGE_IS_FENCE, fence_after_exchange};
use crate::protocol::eventcount::notify;
use crate::sync::sleeper::{ReaderFutex, notify_readers};

/// A held claim. Dropping it releases the role; in a fork child, which only has a copy, it does nothing.
#[derive(Debug)]
pub(super) struct ClaimGuard<'a> {
    claim: &'a ClaimWord,
    /// What the role was claimed with.
    registered: Registered,
    order: CommitOrder,
    /// The eventcount to notify after the release.
    eventcount: Option<&'a AtomicU32>,
}

impl<'a> ClaimGuard<'a> {
    /// Claims the role. Whether the previous owner died does not matter to the types that use this: what it had begun was
    /// never published. `refuse` makes the error.
    #[inline(always)]
    pub(super) fn claim<E>(
        claim: &'a ClaimWord,
        timeout: Timeout,
        refuse: impl FnOnce(ClaimFailed) -> E,
    ) -> Result<Self, E> {
        let held = match claim.claim_free() {
            Some(held) => held,
            None => claim.claim(timeout).map_err(refuse)?,
        };
        Ok(Self {
            claim,
            registered: held.registered,
            order: membarrier::commit_order(),
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
            order: membarrier::commit_order(),
            eventcount: None,
        })
    }

    /// Claims the role if it is free, for a single commit that [`release_and_notify`](Self::release_and_notify) follows.
    #[inline(always)]
    pub(super) fn claim_once(claim: &'a ClaimWord) -> Option<Self> {
        let registered = claim.claim_free()?.registered;
        Some(Self {
            claim,
            registered,
            // Where the release is the fence, nobody needs to interrupt this process.
            order: if EXCHANGE_IS_FENCE {
                CommitOrder::Fenced
            } else {
                membarrier::commit_order()
            },
            eventcount: None,
        })
    }

    /// Wakes all sleepers on the eventcount: now, since the role is taken, and when it is released.
    pub(super) fn notifying(mut self, eventcount: &'a AtomicU32) -> Self {
        notify(eventcount, &ReaderFutex);
        self.eventcount = Some(eventcount);
        self
    }

    /// What orders the commits of the owner. Its fork children do not commit.
    #[inline(always)]
    pub(super) fn order(&self) -> CommitOrder {
        self.order
    }

    /// Releases the role, then wakes all sleepers on the eventcount. The owner has published a change just before, and there has been no
    /// fence since then.
    #[inline(always)]
    pub(super) fn release_and_notify(self, eventcount: &AtomicU32) {
        let order = self.order;
        drop(self);
        if order == CommitOrder::Fenced {
            // The release is an exchange, or more than one. It was not skipped: this is no fork child.
            fence_after_exchange();
        }
        notify_readers(eventcount, order);
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
    order: CommitOrder,
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
            order: guard.order,
        }
    }

    /// As [`ClaimGuard::order`].
    #[inline(always)]
    pub(super) fn order(&self) -> CommitOrder {
        self.order
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
        self.claim.release_held_in_thread(self.registered, false);
    }
}
