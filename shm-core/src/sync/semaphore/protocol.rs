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
//! | post | anyone | adds permits, by compare-and-swap; after many tries in vain by an addition | release |
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
//!
//! **A peer** can write anything into the word, without a pause too. So neither step tries for ever: a post adds in the end
//! without comparing, and a take finds none. Who waits tries again when it has looked at the clock. Killed between an
//! addition that went too far and taking it back, which takes a peer like that and as many permits as there can be, a
//! process leaves fewer of them.

use std::hint::spin_loop;

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;
use crate::sync::counted::{self, ONE, WakeSome};
use crate::sync::eventcount::{self, WAITERS, World};

/// The most permits that there can be: as many as POSIX promises.
pub(crate) const MOST: u32 = u32::MAX / ONE;

/// The steps of who posts and takes. Only models and tests have others.
pub(crate) trait Steps {
    /// How a permit is taken.
    const TAKE: Ordering = Ordering::Acquire;
    /// How permits are added without comparing.
    const ADD: Ordering = Ordering::Release;
    /// How often to try to change a word that others change too. Each time it is because one of them got on, so among
    /// the sound this many are never needed.
    const TRIES: u32 = 200;

    /// Lets others get on before the next try.
    #[inline]
    fn pause(_word: &AtomicU32, tries: u32) {
        for _ in 0..1_u32 << tries.min(3) {
            spin_loop();
        }
    }
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

/// The word with so many more permits, unless these are too many.
#[inline(always)]
fn more(seen: u32, count: u32) -> Option<u32> {
    let sum = (seen / ONE).checked_add(count)?;
    (sum <= MOST).then(|| (sum * ONE) | (seen & WAITERS))
}

/// Adds permits, and wakes as many. `false`, without adding any, where there would be too many.
#[inline(always)]
pub(crate) fn post<S: Steps, W: WakeSome>(word: &AtomicU32, count: u32, waker: &W) -> bool {
    let mut seen = word.load(Ordering::Relaxed);
    let Some(next) = more(seen, count) else {
        return false;
    };
    match word.compare_exchange(seen, next, W::COUNT, Ordering::Relaxed) {
        Ok(_) => {}
        Err(now) => match post_again::<S, W>(word, now, count) {
            Some(before) => seen = before,
            None => return false,
        },
    }
    if seen & WAITERS != 0 {
        counted::wake_some(word, count, waker);
    }
    true
}

/// What is left of a post whose first try came too late. Returns what was in the word before the addition.
#[cold]
fn post_again<S: Steps, W: WakeSome>(word: &AtomicU32, mut seen: u32, count: u32) -> Option<u32> {
    for tries in 1..S::TRIES {
        S::pause(word, tries);
        match word.compare_exchange(seen, more(seen, count)?, W::COUNT, Ordering::Relaxed) {
            Ok(before) => return Some(before),
            Err(now) => seen = now,
        }
    }
    more(seen, count)?;
    // This cannot fail, but go too far, if meanwhile others have posted almost as many as there can be.
    seen = word.fetch_add(count * ONE, S::ADD);
    if more(seen, count).is_none() {
        word.fetch_sub(count * ONE, Ordering::Relaxed);
        return None;
    }
    Some(seen)
}

/// Takes a permit if there is one, and others are not quicker every time.
#[inline(always)]
pub(crate) fn take<S: Steps>(word: &AtomicU32) -> bool {
    let seen = word.load(Ordering::Relaxed);
    let Some(next) = seen.checked_sub(ONE) else {
        return false;
    };
    match word.compare_exchange(seen, next, S::TAKE, Ordering::Relaxed) {
        Ok(_) => true,
        Err(now) => take_again::<S>(word, now),
    }
}

/// What is left of a take whose first try came too late.
#[cold]
fn take_again<S: Steps>(word: &AtomicU32, mut seen: u32) -> bool {
    for tries in 1..S::TRIES {
        S::pause(word, tries);
        let Some(next) = seen.checked_sub(ONE) else {
            return false;
        };
        match word.compare_exchange(seen, next, S::TAKE, Ordering::Relaxed) {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::eventcount::WakeAll;

    /// Somebody changes the word before every try but the first, and before that once by hand.
    struct Beset;

    impl Steps for Beset {
        fn pause(word: &AtomicU32, tries: u32) {
            assert!(tries < Self::TRIES, "it tries for ever");
            // Another number of permits each time, with room for more.
            word.store(tries % 2 * ONE + 5 * ONE, Ordering::Relaxed);
        }
    }

    /// The same, up to where there is no more room.
    struct Filled;

    impl Steps for Filled {
        fn pause(word: &AtomicU32, tries: u32) {
            let left = (Self::TRIES - 1 - tries).min(2);
            word.store((MOST - left) * ONE, Ordering::Relaxed);
        }
    }

    struct Nobody;

    impl WakeAll for Nobody {
        fn wake_all(&self, _: &AtomicU32) {
            panic!("nobody is asleep");
        }
    }

    impl WakeSome for Nobody {
        fn wake_up_to(&self, _: &AtomicU32, _: u32) -> u32 {
            panic!("nobody is asleep");
        }
    }

    #[test]
    fn a_post_beside_one_who_writes_all_the_time_adds_in_the_end() {
        let word = AtomicU32::new(9 * ONE);
        // The first try has failed.
        let before = post_again::<Beset, Nobody>(&word, 8 * ONE, 3).unwrap();
        assert_eq!(word.load(Ordering::Relaxed), before + 3 * ONE);
    }

    #[test]
    fn a_post_beside_one_who_fills_it_up_is_refused_in_the_end() {
        let word = AtomicU32::new(9 * ONE);
        assert_eq!(post_again::<Filled, Nobody>(&word, 8 * ONE, 3), None);
        assert_eq!(permits(&word), MOST - 2);
    }

    #[test]
    fn what_goes_too_far_is_taken_back() {
        struct Once;
        impl Steps for Once {
            const TRIES: u32 = 1;
        }
        let word = AtomicU32::new((MOST * ONE) | WAITERS);
        // What was seen is long gone.
        assert_eq!(post_again::<Once, Nobody>(&word, 0, 3), None);
        assert_eq!(word.load(Ordering::Relaxed), (MOST * ONE) | WAITERS);
    }

    #[test]
    fn a_take_beside_one_who_writes_all_the_time_ends_with_none() {
        let word = AtomicU32::new(9 * ONE);
        assert!(!take_again::<Beset>(&word, 8 * ONE));
        assert!(permits(&word) >= 5);
    }
}
