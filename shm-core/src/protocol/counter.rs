//! Waking some of those who sleep on a word.
//!
//! Events and semaphores are one word each, laid out as an eventcount: something that is counted in bits 1 to 31, and
//! [`WAITERS`]. As what is waited for lies in the very word that is slept on, no fence is needed: whoever counts does so
//! either before a waiter announces itself, which then sees it, or after, and then sees the bit.
//!
//! # Synchronization
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | count | who changes something | adds to bits 1 to 31, and sees `WAITERS` | as the type needs |
//! | wake some | the same, if the bit was set | `FUTEX_WAKE` of as many | |
//! | tidy up | the same, if fewer were asleep | clears `WAITERS`, then `FUTEX_WAKE` all | relaxed |
//!
//! `WAITERS` stays while anybody may be left asleep: the bit goes only once nobody was. Who has announced itself by then
//! but does not sleep yet finds another word than it has announced, and looks again; who has just fallen asleep is woken
//! by the second wake-up, and looks again too.
//!
//! Killed before it wakes, a process leaves sleepers asleep, with the bit set or cleared; killed after it was woken,
//! it takes the wake-up along. Both are made up for at the end of the sleepers' slices.

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;
use crate::protocol::eventcount::{WAITERS, WakeAll};

/// One, as it is counted in a word.
pub(crate) const ONE: u32 = WAITERS << 1;

/// What waking some needs from outside. The model has its own.
pub(crate) trait WakeSome: WakeAll {
    /// The ordering of counting. Only a model that is to fail has another.
    const COUNT: Ordering = Ordering::Release;
    /// Whether everybody is woken after the bit was cleared. Only a model that is to fail does without.
    const REWAKES: bool = true;

    /// Wakes so many of those who sleep on the word, and says how many there were.
    fn wake_up_to(&self, word: &AtomicU32, count: u32) -> u32;
}

/// Wakes so many of those who sleep on a word that the caller has changed, and saw `WAITERS` in.
#[cold]
pub(crate) fn wake_some<W: WakeSome>(word: &AtomicU32, count: u32, waker: &W) {
    if waker.wake_up_to(word, count) < count {
        wake_all(word, waker);
    }
}

/// The same for all of them.
#[cold]
pub(crate) fn wake_all<W: WakeSome>(word: &AtomicU32, waker: &W) {
    word.fetch_and(!WAITERS, Ordering::Relaxed);
    if W::REWAKES {
        waker.wake_all(word);
    }
}
