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
//! | wake as many, if the addition saw `WAITERS` | the same | see [`counter`] | |
//! | take | anyone | subtracts one from what is more than none, by compare-and-swap | acquire |
//! | wait | anyone | sets `WAITERS`, takes, sleeps; see [`eventcount`] | |
//!
//! A take pairs with every post before it: all changes are read-modify-writes, so each continues the release of those
//! before.
//!
//! A permit is in the word or it is not: there is no point in between at which a kill could lose one that was posted, or
//! make two of it. Killed after it has taken one, a process keeps it for ever. Killed before it wakes, or after it was
//! woken and before it takes, it leaves the permit in the word and sleepers asleep beside it; they look at the end of their
//! slices, see [`counter`].
//!
//! **A peer** can write anything into the word, without a pause too. So neither step tries for ever: a post adds in the end
//! without comparing, and a take finds none. Who waits tries again when it has looked at the clock, and does not sleep on a
//! word that has permits. An addition goes too far only where a peer made room that was not there; killed, or overtaken by
//! another post, before it takes that back, a process leaves fewer permits.

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;
use crate::protocol::counter::{self, ONE, WakeSome};
use crate::protocol::eventcount::{self, WAITERS, WaitEnv};
use crate::protocol::wait::WaitStep;

/// The most permits that there can be: as many as POSIX promises.
pub(crate) const MAX_PERMITS: u32 = u32::MAX / ONE;

/// The steps of who posts and takes. Only models and tests have others.
pub(crate) trait Mutations {
    /// How a permit is taken.
    const TAKE: Ordering = Ordering::Acquire;
    /// How permits are added without comparing.
    const ADD: Ordering = Ordering::Release;
    /// How often to try to change a word that others change too. Each time it is because one of them got on in the
    /// few instructions since the word was seen, so among the sound this many are never needed.
    const TRIES: u32 = 1_000;

    /// What others do between a look and a try. Only a test makes them do something.
    #[inline(always)]
    fn interfere(_word: &AtomicU32, _tries: u32) {}
}

/// The protocol as it should be.
#[derive(Debug)]
pub(crate) enum Correct {}

impl Mutations for Correct {}

/// How many permits there are.
#[inline(always)]
pub(crate) fn permits(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed) / ONE
}

/// The word with so many more permits, unless these are too many.
#[inline(always)]
fn more(seen: u32, count: u32) -> Option<u32> {
    let sum = (seen / ONE).checked_add(count)?;
    (sum <= MAX_PERMITS).then(|| (sum * ONE) | (seen & WAITERS))
}

/// Adds permits, and wakes as many. `false`, without adding any, where there would be too many.
#[inline(always)]
pub(crate) fn post<S: Mutations, W: WakeSome>(word: &AtomicU32, count: u32, waker: &W) -> bool {
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
        counter::wake_some(word, count, waker);
    }
    true
}

/// What is left of a post whose first try came too late. Returns what was in the word before the addition.
#[cold]
fn post_again<S: Mutations, W: WakeSome>(
    word: &AtomicU32,
    mut seen: u32,
    count: u32,
) -> Option<u32> {
    for tries in 1..S::TRIES {
        S::interfere(word, tries);
        match word.compare_exchange(seen, more(seen, count)?, W::COUNT, Ordering::Relaxed) {
            Ok(before) => return Some(before),
            Err(now) => seen = now,
        }
    }
    // This cannot fail, but go too far. So there has to be more room than the sound can fill before it is done.
    if more(seen, count)? / ONE > MAX_PERMITS / 2 {
        return None;
    }
    seen = word.fetch_add(count * ONE, S::ADD);
    if more(seen, count).is_none() {
        word.fetch_sub(count * ONE, Ordering::Relaxed);
        return None;
    }
    Some(seen)
}

/// Takes a permit if there is one, and others are not quicker every time.
#[inline(always)]
pub(crate) fn take<S: Mutations>(word: &AtomicU32) -> bool {
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
fn take_again<S: Mutations>(word: &AtomicU32, mut seen: u32) -> bool {
    for tries in 1..S::TRIES {
        S::interfere(word, tries);
        let Some(next) = seen.checked_sub(ONE) else {
            return false;
        };
        match word.compare_exchange(seen, next, S::TAKE, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
        out_of_step(tries);
    }
    false
}

/// Pauses now and then, for another time each time.
///
/// Two loops of equal length on two processors can fall into step, so that one comes first every time, thousands of times.
/// The try after a pause fails, and tells what is there now; those after it follow at once.
fn out_of_step(tries: u32) {
    const EVERY: u32 = 8;
    if tries.is_multiple_of(EVERY) {
        for _ in 0..tries / EVERY % 16 {
            std::hint::spin_loop();
        }
    }
}

/// Takes a permit, waiting for one. `false` when the final probe has come before.
pub(crate) fn wait<S: Mutations, W: WaitEnv>(word: &AtomicU32, env: &mut W) -> bool {
    wait_by(word, env, || take::<S>(word))
}

fn wait_by<W: WaitEnv>(word: &AtomicU32, env: &mut W, take: impl Fn() -> bool) -> bool {
    let look = || take().then_some(());
    eventcount::wait(word, &mut SleepIfEmpty(env), look, look).is_some()
}

/// Does not sleep beside permits: others were quicker every time, and may have stopped since.
struct SleepIfEmpty<'a, W>(&'a mut W);

impl<W: WaitEnv> WaitEnv for SleepIfEmpty<'_, W> {
    const FENCED: bool = W::FENCED;

    fn announces(&self) -> bool {
        self.0.announces()
    }

    fn spins(&self) -> u32 {
        self.0.spins()
    }

    fn next_step(&mut self) -> WaitStep {
        self.0.next_step()
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        if seen < ONE {
            self.0.sleep(word, seen);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::protocol::eventcount::WakeAll;

    /// Somebody changes the word before every try but the first, and before that once by hand.
    struct Beset;

    impl Mutations for Beset {
        fn interfere(word: &AtomicU32, tries: u32) {
            assert!(tries < Self::TRIES, "it tries for ever");
            // Another number of permits each time, with room for more.
            word.store(tries % 2 * ONE + 5 * ONE, Ordering::Relaxed);
        }
    }

    /// The same, up to where there is no more room.
    struct Filled;

    impl Mutations for Filled {
        fn interfere(word: &AtomicU32, tries: u32) {
            let left = (Self::TRIES - 1 - tries).min(2);
            word.store((MAX_PERMITS - left) * ONE, Ordering::Relaxed);
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
        assert_eq!(permits(&word), MAX_PERMITS - 2);
    }

    /// Where a peer made it look as if there were room.
    #[test]
    fn what_goes_too_far_is_taken_back() {
        struct Once;
        impl Mutations for Once {
            const TRIES: u32 = 1;
        }
        let word = AtomicU32::new((MAX_PERMITS * ONE) | WAITERS);
        // What was seen is long gone.
        assert_eq!(post_again::<Once, Nobody>(&word, 0, 3), None);
        assert_eq!(word.load(Ordering::Relaxed), (MAX_PERMITS * ONE) | WAITERS);
    }

    #[test]
    fn a_take_beside_one_who_writes_all_the_time_ends_with_none() {
        let word = AtomicU32::new(9 * ONE);
        assert!(!take_again::<Beset>(&word, 8 * ONE));
        assert!(permits(&word) >= 5);
    }

    #[test]
    fn without_plenty_of_room_nothing_is_added_without_comparing() {
        struct Once;
        impl Mutations for Once {
            const TRIES: u32 = 1;
        }
        let half = MAX_PERMITS / 2;
        let word = AtomicU32::new((half - 3) * ONE);
        assert!(post_again::<Once, Nobody>(&word, (half - 3) * ONE, 3).is_some());
        assert_eq!(post_again::<Once, Nobody>(&word, half * ONE, 3), None);
        assert_eq!(permits(&word), half);
    }

    #[test]
    fn nobody_sleeps_beside_permits_that_others_were_quicker_to_take() {
        struct Clock(u32);
        impl WaitEnv for Clock {
            fn spins(&self) -> u32 {
                0
            }
            fn next_step(&mut self) -> WaitStep {
                self.0 += 1;
                if self.0 == 3 {
                    WaitStep::FinalProbe
                } else {
                    WaitStep::Sleep
                }
            }
            fn sleep(&mut self, _: &AtomicU32, _: u32) {
                panic!("it sleeps beside five permits");
            }
        }
        struct Unlucky;
        impl Mutations for Unlucky {
            const TRIES: u32 = 1;
        }
        // What `take` does when others were quicker every time, and what then lies in the word.
        let word = AtomicU32::new(5 * ONE);
        let mut clock = Clock(0);
        let unlucky = || take_again::<Unlucky>(&word, 4 * ONE);
        assert!(!wait_by(&word, &mut clock, unlucky));
        assert_eq!(clock.0, 3);
    }
}
