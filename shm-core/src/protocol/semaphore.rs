//! The semaphore's word.
//!
//! # Synchronization
//!
//! | bits | what |
//! |---|---|
//! | 2 to 31 | the number of permits |
//! | 1 | `SEVERAL`: a process that waits for several permits may be asleep on the word |
//! | 0 | `WAITERS`: a process may be asleep on the word |
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | post | anyone | adds permits, by compare-and-swap; after many failed attempts by an addition | release |
//! | wake as many, if the addition saw `WAITERS` | the same | see [`counter`] | |
//! | wake all, if it saw `SEVERAL` too, or a load after waking as many does | the same | see [`counter`] | relaxed |
//! | take | anyone | subtracts as many as it wants if there are so many, by compare-and-swap | acquire |
//! | wait | anyone | sets `WAITERS`, and `SEVERAL` for several permits; takes, sleeps; see [`eventcount`] | |
//!
//! A take pairs with every post before it: all changes are read-modify-writes, so each continues the release of those
//! before.
//!
//! # Several permits
//!
//! A process takes all the permits that it wants at once, or none. So it holds none while it waits for others, and processes
//! that want several never wait for each other's.
//!
//! As long as all sleepers want one permit, a post wakes as many sleepers as it adds permits, and each of these finds one, unless
//! another process was faster. A sleeper that wants several may be woken in vain, by a post that would have been enough for
//! another one. So while one may be asleep, each post wakes all, and all look. If it then still lacks permits, it announces
//! itself again. It may also announce itself, look, and fall asleep after the addition of a post that saw no `SEVERAL` and before
//! its `FUTEX_WAKE`, which then wakes it if its priority is higher. So such a post loads the word once more: the kernel compares
//! it with what the sleeper has announced under the lock that the wake-up takes too, and the load sees the bit.
//!
//! A permit is in the word or it is not: there is no point in between at which a kill could lose a posted permit or
//! duplicate it. A process that is killed after it has taken one keeps it for ever. One that is killed before it wakes, or
//! after it was woken and before it takes, leaves the permit in the word and sleepers asleep next to it; they check at the
//! end of their slices, see [`counter`].
//!
//! **A peer** can write anything into the word, even without a pause. So no step retries for ever: a post finally adds
//! without comparing, and a take finds no permit. A waiter tries again after it has checked the clock, and does not sleep
//! on a word that has permits. An addition goes too far only if a peer pretended room; a process that is killed, or overtaken
//! by another post, before it takes that back leaves fewer permits.

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;
use crate::protocol::attempts::{self, MAX_ATTEMPTS};
use crate::protocol::counter::{self, WakeSome};
use crate::protocol::eventcount::{self, WAITERS, WaitEnv};
use crate::protocol::wait::WaitStep;

/// A process that waits for several permits may be asleep on the word. Set only together with `WAITERS`.
const SEVERAL: u32 = WAITERS << 1;

/// One permit, in the bits of the word.
const ONE: u32 = SEVERAL << 1;

/// The maximum number of permits.
pub(crate) const MAX_PERMITS: u32 = u32::MAX / ONE;

/// The steps that mutants and tests take in another way.
pub(crate) trait Mutations {
    /// The ordering of a take.
    const TAKE: Ordering = Ordering::Acquire;
    /// The ordering of an addition without comparing.
    const ADD: Ordering = Ordering::Release;
    /// The bits by which a process announces itself that waits for several permits.
    const SEVERAL: u32 = SEVERAL | WAITERS;
    /// Whether a post checks after it has woken some whether it should have woken all.
    const RECHECKS: bool = true;
    /// How many times to try to change the word.
    const TRIES: u32 = MAX_ATTEMPTS;
    /// After how many failed attempts a post adds without comparing, if there is plenty of room.
    const ADDS_AFTER: u32 = 100;

    /// What others do between a load and an attempt, of which so many have failed. Only tests do something here.
    #[inline(always)]
    fn interfere(_word: &AtomicU32, _failures: u32) {}
}

/// The correct protocol.
#[derive(Debug)]
pub(crate) enum Correct {}

impl Mutations for Correct {}

/// The number of permits.
#[inline(always)]
pub(crate) fn permits(word: &AtomicU32) -> u32 {
    permits_of(word.load(Ordering::Relaxed))
}

/// The word when nobody sleeps on it.
pub(crate) const fn at_rest(word: u32) -> u32 {
    word & !(WAITERS | SEVERAL)
}

/// The number of permits in a word.
#[inline(always)]
pub(crate) const fn permits_of(word: u32) -> u32 {
    word / ONE
}

/// The word with `count` more permits, unless these are too many.
#[inline(always)]
fn more(seen: u32, count: u32) -> Option<u32> {
    let sum = (seen / ONE).checked_add(count)?;
    (sum <= MAX_PERMITS).then(|| (sum * ONE) | (seen & (WAITERS | SEVERAL)))
}

/// The word with `count` fewer permits, unless there are not so many.
#[inline(always)]
fn fewer(seen: u32, count: u32) -> Option<u32> {
    // The bits below the permits are less than one.
    seen.checked_sub(count.checked_mul(ONE)?)
}

/// Adds permits, and wakes waiters. `false`, without adding any, if there would be too many.
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
        wake::<S, W>(word, seen, count, waker);
    }
    true
}

/// Wakes the waiters for `count` permits that were added to the word `seen`, which had `WAITERS`.
#[cold]
fn wake<S: Mutations, W: WakeSome>(word: &AtomicU32, seen: u32, count: u32, waker: &W) {
    const BITS: u32 = WAITERS | SEVERAL;
    if seen & SEVERAL == 0 {
        counter::wake_some(word, BITS, count, waker);
        // A process that wants several may have fallen asleep since the addition, and been woken in place of another one.
        if !S::RECHECKS || word.load(Ordering::Relaxed) & SEVERAL == 0 {
            return;
        }
    }
    counter::wake_all(word, BITS, waker);
}

/// Continues a post whose first attempt failed. Returns the word before the addition.
#[cold]
fn post_again<S: Mutations, W: WakeSome>(
    word: &AtomicU32,
    mut seen: u32,
    count: u32,
) -> Option<u32> {
    for failures in 1..S::TRIES {
        S::interfere(word, failures);
        let next = more(seen, count)?;
        // An addition cannot fail, but it can exceed the maximum. So there has to be more room than processes that keep to the
        // protocol can fill before it is done.
        if failures >= S::ADDS_AFTER && next / ONE <= MAX_PERMITS / 2 {
            return add::<S>(word, count);
        }
        match word.compare_exchange(seen, next, W::COUNT, Ordering::Relaxed) {
            Ok(before) => return Some(before),
            Err(now) => seen = attempts::pause(word, failures, now, Ordering::Relaxed),
        }
    }
    None
}

/// Adds permits without comparing, as [`post_again`] does it at last. Takes them back if there are too many: only a peer that
/// pretended room gets it there.
#[cold]
fn add<S: Mutations>(word: &AtomicU32, count: u32) -> Option<u32> {
    let seen = word.fetch_add(count * ONE, S::ADD);
    if more(seen, count).is_none() {
        word.fetch_sub(count * ONE, Ordering::Relaxed);
        return None;
    }
    Some(seen)
}

/// Takes `count` permits if there are so many, and others are not faster every time.
#[inline(always)]
pub(crate) fn take<S: Mutations>(word: &AtomicU32, count: u32) -> bool {
    let seen = word.load(Ordering::Relaxed);
    let Some(next) = fewer(seen, count) else {
        return false;
    };
    match word.compare_exchange(seen, next, S::TAKE, Ordering::Relaxed) {
        Ok(_) => true,
        Err(now) => take_again::<S>(word, now, count),
    }
}

/// Continues a take whose first attempt failed.
#[cold]
fn take_again<S: Mutations>(word: &AtomicU32, mut seen: u32, count: u32) -> bool {
    for failures in 1..S::TRIES {
        S::interfere(word, failures);
        let Some(next) = fewer(seen, count) else {
            return false;
        };
        match word.compare_exchange(seen, next, S::TAKE, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = attempts::pause(word, failures, now, Ordering::Relaxed),
        }
    }
    false
}

/// Takes `count` permits, waiting until there are so many. `false` after the final probe.
pub(crate) fn wait<S: Mutations, W: WaitEnv>(word: &AtomicU32, count: u32, env: &mut W) -> bool {
    wait_by::<S, W>(word, count, env, || take::<S>(word, count))
}

fn wait_by<S: Mutations, W: WaitEnv>(
    word: &AtomicU32,
    count: u32,
    env: &mut W,
    take: impl Fn() -> bool,
) -> bool {
    let look = || take().then_some(());
    let mut env = SleepIfFewer {
        env,
        count,
        bits: if count > 1 { S::SEVERAL } else { WAITERS },
    };
    eventcount::wait(word, &mut env, look, look).is_some()
}

/// Does not sleep while there are enough permits: others were faster every time, and may have stopped since.
struct SleepIfFewer<'a, W> {
    env: &'a mut W,
    count: u32,
    /// What it announces itself by.
    bits: u32,
}

impl<W: WaitEnv> WaitEnv for SleepIfFewer<'_, W> {
    const FENCED: bool = W::FENCED;

    fn announces(&self) -> bool {
        self.env.announces()
    }

    fn announcement(&self) -> u32 {
        self.bits
    }

    fn spins(&self) -> u32 {
        self.env.spins()
    }

    fn spun(&mut self, succeeded: bool) {
        self.env.spun(succeeded);
    }

    fn next_step(&mut self) -> WaitStep {
        self.env.next_step()
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        if fewer(seen, self.count).is_none() {
            self.env.sleep(word, seen);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::protocol::eventcount::WakeAll;

    /// Another process changes the word before every attempt but the first.
    struct Beset;

    impl Mutations for Beset {
        fn interfere(word: &AtomicU32, failures: u32) {
            assert!(failures < Self::TRIES, "it tries for ever");
            // Another number of permits each time, with room for more. One that an earlier pause has loaded does not recur.
            word.store((failures % 1000 + 5) * ONE, Ordering::Relaxed);
        }
    }

    /// The same above the half of the maximum.
    struct BesetAbove;

    impl Mutations for BesetAbove {
        fn interfere(word: &AtomicU32, failures: u32) {
            let above = MAX_PERMITS / 2 + failures % 1000;
            word.store(above * ONE, Ordering::Relaxed);
        }
    }

    /// Another process does so, and leaves less and less room.
    struct Filled;

    impl Mutations for Filled {
        fn interfere(word: &AtomicU32, failures: u32) {
            let left = 10 - failures.min(8);
            word.store((MAX_PERMITS - left) * ONE, Ordering::Relaxed);
        }
    }

    /// Adds without comparing as soon as the first attempt has failed.
    struct Adds;

    impl Mutations for Adds {
        const ADDS_AFTER: u32 = 1;
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

    /// Others may sleep on, which the next post has to wake.
    #[test]
    fn a_post_that_wakes_as_many_as_it_adds_keeps_the_bits() {
        struct Crowd;
        impl WakeAll for Crowd {
            fn wake_all(&self, _: &AtomicU32) {
                panic!("it wakes processes in vain");
            }
        }
        impl WakeSome for Crowd {
            fn wake_up_to(&self, _: &AtomicU32, count: u32) -> u32 {
                count
            }
        }
        let word = AtomicU32::new(ONE | WAITERS);
        assert!(post::<Correct, _>(&word, 2, &Crowd));
        assert_eq!(word.load(Ordering::Relaxed), (3 * ONE) | WAITERS);
        for bits in [0, WAITERS, WAITERS | SEVERAL] {
            assert_eq!(more(ONE | bits, 2), Some((3 * ONE) | bits));
            assert_eq!(fewer((3 * ONE) | bits, 2), Some(ONE | bits));
        }
    }

    #[test]
    fn a_post_next_to_constant_writes_finally_adds() {
        let word = AtomicU32::new(9 * ONE);
        // The first try has failed.
        let before = post_again::<Beset, Nobody>(&word, 8 * ONE, 3).unwrap();
        assert_eq!(word.load(Ordering::Relaxed), before + 3 * ONE);
    }

    #[test]
    fn a_post_next_to_one_that_fills_the_word_is_refused() {
        let word = AtomicU32::new(9 * ONE);
        assert_eq!(post_again::<Filled, Nobody>(&word, 8 * ONE, 3), None);
        assert_eq!(permits(&word), MAX_PERMITS - 2);
    }

    /// If a peer pretended room.
    #[test]
    fn an_addition_above_the_maximum_is_taken_back() {
        let word = AtomicU32::new((MAX_PERMITS * ONE) | WAITERS | SEVERAL);
        // What was seen is long gone.
        assert_eq!(post_again::<Adds, Nobody>(&word, 0, 3), None);
        let bits = WAITERS | SEVERAL;
        assert_eq!(word.load(Ordering::Relaxed), (MAX_PERMITS * ONE) | bits);
    }

    #[test]
    fn a_take_next_to_constant_writes_ends_without_a_permit() {
        let word = AtomicU32::new(9 * ONE);
        for count in [1, 3, 5] {
            assert!(!take_again::<Beset>(&word, 8 * ONE, count));
        }
        assert!(permits(&word) >= 5);
    }

    #[test]
    fn a_peer_that_is_faster_for_long_does_not_defeat_a_take() {
        struct InStep;
        impl Mutations for InStep {
            fn interfere(word: &AtomicU32, failures: u32) {
                if failures < Self::TRIES / 2 {
                    Beset::interfere(word, failures);
                }
            }
        }
        let word = AtomicU32::new(9 * ONE);
        assert!(take_again::<InStep>(&word, 8 * ONE, 5));
    }

    /// Two loops on two processors fall into step. How often a take fails in a row depends on the machine, and on an emulator.
    #[test]
    fn takes_next_to_constant_posts_never_give_up() {
        const POSTS: u32 = 300_000;
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let mut poster = Some(scope.spawn(|| {
                for _ in 0..POSTS {
                    assert!(post::<Correct, _>(&word, 1, &Nobody));
                }
            }));
            let mut taken = 0;
            while taken < POSTS {
                if permits(&word) > 0 {
                    assert!(take::<Correct>(&word, 1), "after {taken}");
                    taken += 1;
                } else if let Some(poster) = poster.take_if(|poster| poster.is_finished()) {
                    // A poster that has failed posts no more.
                    poster.join().unwrap();
                }
            }
        });
    }

    #[test]
    fn an_addition_without_comparing_needs_plenty_of_room() {
        let half = MAX_PERMITS / 2;
        let word = AtomicU32::new((half - 3) * ONE);
        assert!(post_again::<Adds, Nobody>(&word, (half - 3) * ONE, 3).is_some());
        assert_eq!(permits(&word), half);
        assert_eq!(post_again::<BesetAbove, Nobody>(&word, 0, 3), None);
        assert_eq!(permits(&word), half + (MAX_ATTEMPTS - 1) % 1000);
    }

    #[test]
    fn nobody_sleeps_while_there_are_permits() {
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
                panic!("it sleeps although there are five permits");
            }
        }
        struct Unlucky;
        impl Mutations for Unlucky {
            const TRIES: u32 = 1;
        }
        // A take that lost every race, and the word after that.
        for count in [1, 2, 5] {
            let word = AtomicU32::new(5 * ONE);
            let mut clock = Clock(0);
            let unlucky = || take_again::<Unlucky>(&word, 4 * ONE, count);
            assert!(!wait_by::<Unlucky, _>(&word, count, &mut clock, unlucky));
            assert_eq!(clock.0, 3);
        }
    }

    #[test]
    fn waiters_announce_whether_they_want_several() {
        #[derive(Default)]
        struct Seen {
            is_to_sleep: bool,
            slept_on: Option<u32>,
        }
        impl WaitEnv for Seen {
            fn spins(&self) -> u32 {
                0
            }
            fn next_step(&mut self) -> WaitStep {
                if self.slept_on.is_some() {
                    return WaitStep::FinalProbe;
                }
                assert!(!self.is_to_sleep, "it has not slept");
                self.is_to_sleep = true;
                WaitStep::Sleep
            }
            fn sleep(&mut self, _: &AtomicU32, seen: u32) {
                self.slept_on = Some(seen);
            }
        }
        for (count, bits) in [(1, WAITERS), (2, WAITERS | SEVERAL), (3, WAITERS | SEVERAL)] {
            let (word, mut seen) = (AtomicU32::new(0), Seen::default());
            assert!(!wait::<Correct, _>(&word, count, &mut seen));
            assert_eq!(seen.slept_on, Some(bits));
            assert_eq!(word.load(Ordering::Relaxed), bits);
        }
    }

    #[test]
    fn more_permits_than_fit_are_never_there() {
        let word = AtomicU32::new(u32::MAX);
        assert!(take::<Correct>(&word, MAX_PERMITS));
        assert_eq!(word.load(Ordering::Relaxed), WAITERS | SEVERAL);
        word.store(u32::MAX, Ordering::Relaxed);
        for count in [MAX_PERMITS + 1, MAX_PERMITS + 2, u32::MAX] {
            assert!(!take::<Correct>(&word, count));
        }
    }

    #[test]
    fn a_word_at_rest_has_the_permits_only() {
        for (word, rest, permits) in [(0, 0, 0), (0b1011, 0b1000, 2), (u32::MAX, !3, MAX_PERMITS)] {
            assert_eq!(
                (at_rest(word), permits_of(word)),
                (rest, permits),
                "{word:#b}"
            );
        }
        assert_eq!(MAX_PERMITS, (1 << 30) - 1);
    }

    #[test]
    fn a_post_wakes_as_many_as_it_adds_or_all() {
        /// So many processes sleep.
        struct Sleepers(u32, std::cell::RefCell<Vec<&'static str>>);
        impl WakeAll for Sleepers {
            fn wake_all(&self, _: &AtomicU32) {
                self.1.borrow_mut().push("all");
            }
        }
        impl WakeSome for Sleepers {
            fn wake_up_to(&self, _: &AtomicU32, count: u32) -> u32 {
                assert_eq!(count, 2);
                self.1.borrow_mut().push("up to 2");
                self.0.min(count)
            }
        }
        let both = WAITERS | SEVERAL;
        for (bits, sleepers, woken, left) in [
            (0, 2, &[][..], 0),
            (WAITERS, 2, &["up to 2"], WAITERS),
            (WAITERS, 1, &["up to 2", "all"], 0),
            // Of several permits each wants another number.
            (both, 2, &["all"], 0),
            (SEVERAL, 2, &[], SEVERAL),
        ] {
            let word = AtomicU32::new(ONE | bits);
            let waker = Sleepers(sleepers, Default::default());
            assert!(post::<Correct, _>(&word, 2, &waker));
            assert_eq!(*waker.1.borrow(), woken, "{bits} {sleepers}");
            assert_eq!(word.load(Ordering::Relaxed), (3 * ONE) | left);
        }
    }
}
