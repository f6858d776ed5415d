//! Locks without the type of their value: for segments whose type the program does not have, and what the typed ones have in common
//! with them.

use std::convert::Infallible;

use crate::claim::process::Registered;
use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::primitive::model::CommitOrder;
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::seqlock::{self, Correct};
use crate::sync::claim_guard::ClaimGuard;
use crate::sync::sleeper::notify_readers;

/// The held lock of a `Mutex`. Dropping it unlocks.
#[derive(Debug)]
pub(crate) struct HeldMutex<'a> {
    claim: &'a ClaimWord,
    registered: Registered,
    poisoned: bool,
}

impl<'a> HeldMutex<'a> {
    /// Locks. If an owner died, its successors still get `OwnerDied` afterwards: what is written here need not repair the value.
    pub(crate) fn lock(claim: &'a ClaimWord, timeout: Timeout) -> Result<Self, ClaimFailed> {
        let held = match claim.claim_free() {
            Some(held) => held,
            None => claim.claim(timeout)?,
        };
        claim.record_in_thread(held.registered);
        Ok(Self {
            claim,
            registered: held.registered,
            poisoned: held.poisoned,
        })
    }
}

impl Drop for HeldMutex<'_> {
    fn drop(&mut self) {
        self.claim
            .release_held_in_thread(self.registered, self.poisoned);
    }
}

/// The words of a `SeqLock`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeqLockWords<'a> {
    pub(crate) claim: &'a ClaimWord,
    pub(crate) version: &'a AtomicU64,
    pub(crate) changed: &'a AtomicU32,
    pub(crate) slots: usize,
}

impl SeqLockWords<'_> {
    /// Commits what `write` writes. It gets the numbers of the current slot and of the next one, which it has to fill. They are the
    /// same only if a peer has changed the version meanwhile.
    pub(crate) fn commit(
        self,
        timeout: Timeout,
        write: impl FnOnce(usize, usize),
    ) -> Result<(), ClaimFailed> {
        let role = ClaimGuard::claim(self.claim, timeout, |failed| failed)?;
        let order = role.order();
        let current = seqlock::slot(seqlock::current(self.version), self.slots);
        let Ok(_) = self.commit_held(order, |next| -> Result<(), Infallible> {
            write(current, next);
            Ok(())
        });
        Ok(())
    }

    /// Commits what `write` writes into the slot with the number that it gets, unless it fails, and wakes waiting readers. The
    /// caller holds the role, and its commits have this order.
    #[inline(always)]
    pub(super) fn commit_held<R, E>(
        self,
        order: CommitOrder,
        write: impl FnOnce(usize) -> Result<R, E>,
    ) -> Result<(u64, R), E> {
        let committed = seqlock::commit::<Correct, _, _>(self.version, self.slots, order, write)?;
        notify_readers(self.changed, order);
        Ok(committed)
    }
}
