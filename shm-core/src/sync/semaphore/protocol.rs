//! The semaphore's word.
//!
//! # Synchronization
//!
//! | bits | what |
//! |---|---|
//! | 1 to 31 | how many permits there are |
//! | 0 | `WAITERS`: somebody may be asleep on the word |
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | post | anyone | adds permits, by compare-and-swap | release |
//! | wake as many, if the addition saw `WAITERS` | the same | see [`counted`] | |
//! | take | anyone | subtracts one from what is more than none, by compare-and-swap | acquire |
//! | wait | anyone | sets `WAITERS`, takes, sleeps; see [`eventcount`] | |
//!
//! A take pairs with every post before it: all changes are read-modify-writes, so each continues the release of those
//! before.
//!
//! A permit is in the word or it is not: there is no point in between at which a kill could lose one that was posted, or
//! make two of it. Killed after it has taken one, a process keeps it for ever. Killed before it wakes, or after it was
//! woken and before it takes, it leaves the permit in the word and sleepers asleep beside it; they look at the end of their
//! slices, see [`counted`].

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;
use crate::sync::counted::{self, ONE, WakeSome};
use crate::sync::eventcount::{self, WAITERS, World};

/// The most permits that there can be: as many as POSIX promises.
pub(crate) const MOST: u32 = u32::MAX / ONE;

/// The steps of who takes. Only a model that is to fail has others.
pub(crate) trait Steps {
    /// How a permit is taken.
    const TAKE: Ordering = Ordering::Acquire;
}

/// The protocol as it should be.
#[derive(Debug)]
pub(crate) enum Sound {}

impl Steps for Sound {}

/// How many permits there are.
#[inline(always)]
pub(crate) fn permits(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed) / ONE
}

/// Adds permits, and wakes as many. `false`, without adding any, where there would be too many.
#[inline(always)]
pub(crate) fn post<W: WakeSome>(word: &AtomicU32, count: u32, waker: &W) -> bool {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let sum = (seen / ONE).checked_add(count).filter(|sum| *sum <= MOST);
        let Some(sum) = sum else { return false };
        let next = (sum * ONE) | (seen & WAITERS);
        match word.compare_exchange_weak(seen, next, W::COUNT, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => seen = now,
        }
    }
    if seen & WAITERS != 0 {
        counted::wake_some(word, count, waker);
    }
    true
}

/// Takes a permit if there is one.
#[inline(always)]
pub(crate) fn take<S: Steps>(word: &AtomicU32) -> bool {
    let mut seen = word.load(Ordering::Relaxed);
    while let Some(next) = seen.checked_sub(ONE) {
        match word.compare_exchange_weak(seen, next, S::TAKE, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
    false
}

/// Takes a permit, waiting for one. `false` when the world's last turn has come before.
pub(crate) fn wait<S: Steps, W: World>(word: &AtomicU32, world: &mut W) -> bool {
    let look = || take::<S>(word).then_some(());
    eventcount::wait(word, world, look, look).is_some()
}
