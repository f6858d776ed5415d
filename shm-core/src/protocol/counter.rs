//! Waking some of the sleepers on a word that counts.
//!
//! Events and semaphores are one word each, laid out as an eventcount: [`WAITERS`] in bit 0, and a count in the upper bits. The
//! count is in the same word that waiters sleep on, so no fence is needed: a process changes the count either before a waiter
//! announces itself, which then sees the change, or after, and then sees the bit.
//!
//! # Synchronization
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | count | a process that changes something | adds to the count, and sees `WAITERS` | as the type needs |
//! | wake some | the same, if the bit was set | `FUTEX_WAKE` of as many | |
//! | clear | the same, if fewer were asleep | clears the bits by which waiters announce themselves, then `FUTEX_WAKE` all | relaxed |
//!
//! `WAITERS` stays as long as anyone may still be asleep: it is cleared only once nobody was. A waiter that has announced
//! itself by then, but does not sleep yet, finds a different word from the one it announced, and checks again. One that has
//! just fallen asleep is woken by the second wake-up, and checks again too.
//!
//! A process that is killed before it wakes leaves sleepers asleep, with the bit set or cleared. One that is killed after
//! it was woken takes the wake-up with it. In both cases the sleepers recover at the end of their slices.

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;
use crate::protocol::eventcount::{WAITERS, WakeAll};

/// A count of one, in bits 1 to 31 of a word.
pub(crate) const ONE: u32 = WAITERS << 1;

/// What waking some sleepers needs from outside. Models implement it themselves.
pub(crate) trait WakeSome: WakeAll {
    /// The ordering of a count. Only mutants change it.
    const COUNT: Ordering = Ordering::Release;
    /// Whether all sleepers are woken after the bit was cleared. Only mutants skip this.
    const REWAKES: bool = true;

    /// Wakes up to `count` sleepers on the word, and returns how many there were.
    fn wake_up_to(&self, word: &AtomicU32, count: u32) -> u32;
}

/// Wakes up to `count` sleepers. The caller has changed the word and seen `WAITERS` in it. `bits` are those by which waiters
/// announce themselves.
#[cold]
pub(crate) fn wake_some<W: WakeSome>(word: &AtomicU32, bits: u32, count: u32, waker: &W) {
    if waker.wake_up_to(word, count) < count {
        wake_all(word, bits, waker);
    }
}

/// Wakes all sleepers. The caller has changed the word and seen `WAITERS` in it. `bits` as for [`wake_some`].
#[cold]
pub(crate) fn wake_all<W: WakeSome>(word: &AtomicU32, bits: u32, waker: &W) {
    word.fetch_and(!bits, Ordering::Relaxed);
    if W::REWAKES {
        waker.wake_all(word);
    }
}
