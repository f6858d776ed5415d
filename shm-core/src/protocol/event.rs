//! The event's word.
//!
//! # Synchronization
//!
//! | bits | what |
//! |---|---|
//! | 48 to 63 | `assigned`: the number of notifications that were meant for one sleeper, modulo 2^16 |
//! | 32 to 47 | `owed`: how many of these no waiter has taken yet |
//! | 1 to 31 | the generation: the number of notifications, modulo 2^31 |
//! | 0 | `WAITERS`: a process may be asleep on the word |
//!
//! Processes sleep on the lower half, which changes with every notification.
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | load | anyone | load | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | notify one | anyone | adds one to the generation, and if a load has just seen `WAITERS`, one each to `owed` and `assigned` | release |
//! | wake one, if either saw `WAITERS` | the same | none: `FUTEX_WAKE` of one | |
//! | clear, if nobody was asleep | the same | clears `WAITERS` and `owed`, takes one from `assigned`; then `FUTEX_WAKE` all | relaxed |
//! | notify all | anyone | adds one to the generation | release |
//! | wake all, if that saw `WAITERS` | the same | as *clear* | relaxed |
//! | wake, unasked | a process that notifies, now and then, for read-only waiters | none: `FUTEX_WAKE` | |
//! | announce | a waiter | sets `WAITERS` | acquire |
//! | sleep | the same | `FUTEX_WAIT` while the lower half is what was announced | |
//! | take | a waiter that looks again after a sleep | takes one from `owed`, if there is any | acquire |
//!
//! A process that checks a condition of its own loads the generation first. If the condition does not hold, its
//! notification belongs to a later generation, and the wait ends with it.
//!
//! A load pairs with every notification that it counts: all changes are read-modify-writes, so each continues the release of
//! those before. The generation is in the word that waiters sleep on, so no fence is needed: a notification comes either before
//! a waiter announces itself, which then sees it, or after, and then sees the bit.
//!
//! # One of many
//!
//! Notifying one wakes one sleeper, and only that one returns. The others look at the end of their slices, because a
//! notification may have been lost with a process that was killed. They find another generation, and have to know whether the
//! notifications between were answered. Such a waiter returns
//!
//! - if something is owed: it takes that. The notification's own sleeper has not returned, and perhaps never will;
//! - if the generation has grown by another number than `assigned` since its last look. Then one of the notifications was for
//!   all, or met a process that cleared the word because nobody was asleep: so it may have been meant for this waiter.
//!
//! Otherwise it sleeps on, also if it was woken: another one has taken its notification. A waiter that has not looked before
//! returns whenever the generation is another one than its caller has seen. So no notification is lost, and each that meets
//! only waiters that sleep lets one return.
//!
//! `assigned` and the generation change in the same step, so their difference is the number of the other notifications and of
//! the clears, which only grows. A waiter would have to miss 65,536 of these to believe that there were none. A notification that
//! was assigned although `WAITERS` was cleared since the load stays owed until the word is cleared, as does one whose sleeper had
//! a read-only mapping: at worst one more waiter returns. If much is owed, notifications are not assigned any more. The
//! generation's carry, once in 2^31, adds to `owed`.
//!
//! # Crashes
//!
//! The generation is counted or not. A process that is killed before it wakes, or after it was woken and before it takes, leaves
//! the notification owed, and the first waiter whose slice ends takes it. One that is killed before it clears, or before it
//! wakes all, has changed the difference from `assigned`, or leaves it for the next notification to clear. Read-only waiters
//! return for every generation.

use std::marker::PhantomData;

use crate::access::Access;
use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU64, load};
use crate::protocol::attempts::{self, MAX_ATTEMPTS};
use crate::protocol::wait::WaitStep;

/// A process may be asleep on the word.
pub(crate) const WAITERS: u64 = 1;
/// One notification, in bits 1 to 31.
pub(super) const ONE: u64 = WAITERS << 1;
/// The bits of the generation.
const GENERATION: u64 = (1 << 32) - ONE;
/// One notification that no waiter has taken.
pub(crate) const OWED: u64 = 1 << 32;
/// More than this is never owed, so it does not overflow into `assigned`.
const MOST_OWED: u64 = 1 << 15;
/// One notification that was meant for one sleeper.
pub(crate) const ASSIGNED: u64 = 1 << 48;

/// The steps that mutants take in another way.
pub(crate) trait Mutations {
    /// The ordering of a load of the generation.
    const LOAD: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. If not, a fence provides the ordering of `LOAD`: see [`load`].
    const WRITABLE: bool = true;
    /// Whether a waiter looks for what is owed at the end of its slice.
    const TAKES: bool = true;
    /// Whether a waiter looks at the end of its slice for notifications that were not assigned.
    const COMPARES: bool = true;
    /// Whether a waiter that was not fast enough to take looks at what it found then.
    const RELOADS: bool = true;
}

/// The correct protocol, through a mapping of this kind.
#[derive(Debug)]
pub(crate) struct Correct<A>(PhantomData<A>);

impl<A: Access> Mutations for Correct<A> {
    const WRITABLE: bool = A::WRITABLE;
}

/// What waking needs from outside. Models implement it themselves.
pub(crate) trait EventWaker {
    /// The ordering of a notification. Only mutants change it.
    const NOTIFY: Ordering = Ordering::Release;
    /// What a notification of one adds besides. Only mutants change it.
    const ASSIGN: u64 = OWED + ASSIGNED;
    /// What a clear takes from the word besides the flag. Only mutants change it.
    const CLEAR: u64 = ASSIGNED;
    /// Whether all sleepers are woken after a clear. Only mutants skip this.
    const REWAKES: bool = true;

    /// Whether to wake at this moment although no process has announced itself.
    fn wakes_unasked(&self, word: &AtomicU64) -> bool;
    /// Wakes one sleeper on the lower half of the word. Returns whether there was one.
    fn wake_one(&self, word: &AtomicU64) -> bool;
    /// Wakes all sleepers on the lower half of the word.
    fn wake_all(&self, word: &AtomicU64);
}

/// What a wait needs from outside: clock and kernel. Models implement it themselves.
pub(crate) trait EventWait {
    /// Whether the waiter can write the word. If not, a wake-up is not certain, and it has to sleep in short slices.
    fn announces(&self) -> bool;
    /// How many times to check before anything else.
    fn spins(&self) -> u32;
    /// Called after the spin: whether it found what the caller waits for.
    fn spun(&mut self, _succeeded: bool) {}
    /// What this round does. Called once per round.
    fn next_step(&mut self) -> WaitStep;
    /// Sleeps while the lower half of the word is `seen`, at most until the next slice begins.
    fn sleep(&mut self, word: &AtomicU64, seen: u32);
}

/// The word when nobody sleeps on it.
pub(crate) const fn at_rest(word: u64) -> u64 {
    word & GENERATION
}

/// The generation in a word.
pub(crate) const fn generation_of(word: u64) -> u32 {
    ((word & GENERATION) / ONE) as u32
}

/// How many notifications no waiter has taken.
const fn owed(word: u64) -> u64 {
    word % ASSIGNED / OWED
}

/// The generation.
#[inline(always)]
pub(crate) fn generation<S: Mutations>(word: &AtomicU64) -> u32 {
    generation_of(load(word, S::LOAD, S::WRITABLE))
}

/// Counts a notification, and wakes one waiter.
#[inline(always)]
pub(crate) fn notify_one<W: EventWaker>(word: &AtomicU64, waker: &W) {
    let expected = word.load(Ordering::Relaxed);
    if expected & WAITERS != 0 {
        return assign(word, expected, waker);
    }
    if word.fetch_add(ONE, W::NOTIFY) & WAITERS != 0 {
        wake_one(word, waker);
    } else if waker.wakes_unasked(word) {
        // The addition has changed the word, so no waiter that has seen it before falls asleep any more.
        waker.wake_one(word);
    }
}

/// Notifies one, where a process may be asleep. The word was `expected` a moment ago.
#[cold]
fn assign<W: EventWaker>(word: &AtomicU64, expected: u64, waker: &W) {
    let assigned = if owed(expected) < MOST_OWED {
        W::ASSIGN
    } else {
        0
    };
    word.fetch_add(ONE + assigned, W::NOTIFY);
    wake_one(word, waker);
}

/// Wakes one sleeper. The caller has changed the generation and seen `WAITERS` in the word.
#[cold]
fn wake_one<W: EventWaker>(word: &AtomicU64, waker: &W) {
    if !waker.wake_one(word) {
        clear_and_wake_all(word, waker);
    }
}

/// Counts a notification, and wakes all waiters.
#[inline(always)]
pub(crate) fn notify_all<W: EventWaker>(word: &AtomicU64, waker: &W) {
    if word.fetch_add(ONE, W::NOTIFY) & WAITERS != 0 {
        clear_and_wake_all(word, waker);
    } else if waker.wakes_unasked(word) {
        waker.wake_all(word);
    }
}

/// Clears the word, and wakes all. A waiter that has announced itself by then, but does not sleep yet, finds another word, or
/// is woken if it has just fallen asleep, and looks again.
#[cold]
fn clear_and_wake_all<W: EventWaker>(word: &AtomicU64, waker: &W) {
    let mut seen = word.load(Ordering::Relaxed);
    // Few attempts are enough: whatever others leave there, all are woken, and what stays owed lets one more waiter return.
    for _ in 0..64 {
        let assigned = (seen & !(ASSIGNED - 1)).wrapping_sub(W::CLEAR);
        let clear = assigned | (seen & GENERATION);
        match word.compare_exchange(seen, clear, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => seen = now,
        }
    }
    if W::REWAKES {
        waker.wake_all(word);
    }
}

/// Waits until the generation is not `seen`, and returns it. `None` after the final probe.
pub(crate) fn wait<S: Mutations, W: EventWait>(
    word: &AtomicU64,
    seen: u32,
    env: &mut W,
) -> Option<u32> {
    match wait_or_check::<S, W, ()>(word, seen, env, || None)? {
        WaitOutcome::Notified(generation) => Some(generation),
        WaitOutcome::Found(()) => None,
    }
}

/// Successive waits. Models implement them themselves.
pub(crate) trait WaitRounds {
    /// Whether the generation is loaded before the check. Only mutants load it afterwards.
    const READS_FIRST: bool = true;

    /// The environment of one wait.
    type Env: EventWait;

    /// The next wait. `None` when the time is up.
    fn next(&mut self) -> Option<Self::Env>;
}

/// Waits until `look` returns something: at once, after a notification, or at the end of a slice or of all waits.
pub(crate) fn wait_until<S: Mutations, W: WaitRounds, R>(
    word: &AtomicU64,
    waits: &mut W,
    mut look: impl FnMut() -> Option<R>,
) -> Option<R> {
    loop {
        let before = generation::<S>(word);
        if let Some(found) = look() {
            return Some(found);
        }
        let seen = if W::READS_FIRST {
            before
        } else {
            generation::<S>(word)
        };
        // Notifications without end must not prolong the wait.
        let Some(mut env) = waits.next() else {
            return look();
        };
        match wait_or_check::<S, _, _>(word, seen, &mut env, &mut look)? {
            WaitOutcome::Found(found) => return Some(found),
            WaitOutcome::Notified(_) => {}
        }
    }
}

/// Waits until the generation is not `seen`, or until `look` returns something at the end of a slice or of the wait.
pub(crate) fn wait_or_check<S: Mutations, W: EventWait, R>(
    word: &AtomicU64,
    seen: u32,
    env: &mut W,
    mut look: impl FnMut() -> Option<R>,
) -> Option<WaitOutcome<R>> {
    // A notification that is about to come usually arrives sooner than a sleep would begin.
    for _ in 0..env.spins() {
        let now = generation::<S>(word);
        if now != seen {
            env.spun(true);
            return Some(WaitOutcome::Notified(now));
        }
        std::hint::spin_loop();
    }
    env.spun(false);
    let announces = env.announces();
    let mut looks = Looks::new(seen);
    loop {
        let now = if announces {
            word.fetch_or(WAITERS, S::LOAD) | WAITERS
        } else {
            load(word, S::LOAD, S::WRITABLE)
        };
        if let Some(now) = looks.notified::<S>(word, now, announces) {
            return Some(WaitOutcome::Notified(now));
        }
        match env.next_step() {
            WaitStep::Sleep => env.sleep(word, now as u32),
            WaitStep::Probe => {
                if let Some(found) = look() {
                    return Some(WaitOutcome::Found(found));
                }
            }
            WaitStep::FinalProbe => {
                // The caller wants to know, whoever has taken the notification.
                let now = generation::<S>(word);
                return if now == seen {
                    look().map(WaitOutcome::Found)
                } else {
                    Some(WaitOutcome::Notified(now))
                };
            }
        }
    }
}

/// What a waiter remembers of its last look.
pub(super) struct Looks {
    /// The word: its generation and `assigned`.
    before: u64,
    is_first: bool,
}

impl Looks {
    pub(super) fn new(seen: u32) -> Self {
        Self {
            before: u64::from(seen) * ONE,
            is_first: true,
        }
    }

    /// Looks whether a notification is for this waiter, which has found the word `now`. If so, returns the generation.
    pub(super) fn notified<S: Mutations>(
        &mut self,
        word: &AtomicU64,
        mut now: u64,
        takes: bool,
    ) -> Option<u32> {
        let before = std::mem::replace(&mut self.before, now);
        let is_first = std::mem::replace(&mut self.is_first, false);
        if generation_of(now) == generation_of(before) {
            return None;
        }
        if is_first || !takes {
            return Some(generation_of(now));
        }
        for failures in 1..MAX_ATTEMPTS {
            if !S::TAKES || owed(now) == 0 {
                break;
            }
            match word.compare_exchange(now, now - OWED, S::LOAD, S::LOAD) {
                Ok(_) => return Some(generation_of(now)),
                Err(changed) => now = attempts::pause(word, failures, changed, S::LOAD),
            }
        }
        // The word may have been cleared meanwhile, so this needs the last one.
        if S::RELOADS {
            self.before = now;
        } else {
            now = self.before;
        }
        let notifications = generation_of(now).wrapping_sub(generation_of(before)) % (1 << 31);
        let assigned = (now / ASSIGNED).wrapping_sub(before / ASSIGNED) % (1 << 16);
        (S::COMPARES && u64::from(notifications) != assigned).then(|| generation_of(now))
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome<R> {
    /// A notification: the generation.
    Notified(u32),
    /// The condition holds, though nobody has notified.
    Found(R),
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::access::ReadWrite;

    type Product = Correct<ReadWrite>;

    /// Nobody sleeps on the word, or another waiter does.
    struct Waker(bool);

    impl EventWaker for Waker {
        fn wakes_unasked(&self, _: &AtomicU64) -> bool {
            false
        }

        fn wake_one(&self, _: &AtomicU64) -> bool {
            self.0
        }

        fn wake_all(&self, _: &AtomicU64) {}
    }

    /// Does something in place of each sleep, and gives up after the last one.
    struct Script<'a> {
        sleeps: &'a [&'a dyn Fn(&AtomicU64)],
        steps: usize,
        slept: usize,
    }

    impl EventWait for Script<'_> {
        fn announces(&self) -> bool {
            true
        }

        fn spins(&self) -> u32 {
            0
        }

        fn next_step(&mut self) -> WaitStep {
            assert_eq!(self.steps, self.slept, "it has not slept");
            if self.slept < self.sleeps.len() {
                self.steps += 1;
                WaitStep::Sleep
            } else {
                WaitStep::FinalProbe
            }
        }

        fn sleep(&mut self, word: &AtomicU64, _: u32) {
            self.sleeps[self.slept](word);
            self.slept += 1;
        }
    }

    /// Waits for a generation after the present one. Returns after how many sleeps it returned.
    fn sleeps(word: &AtomicU64, script: &[&dyn Fn(&AtomicU64)]) -> usize {
        let seen = generation::<Product>(word);
        let mut env = Script {
            sleeps: script,
            steps: 0,
            slept: 0,
        };
        let now = wait::<Product, _>(word, seen, &mut env);
        // Whoever has taken them, the last look returns them.
        assert_eq!(now.is_some(), generation::<Product>(word) != seen);
        env.slept
    }

    /// One is notified, and another waiter was woken for that.
    fn one(word: &AtomicU64) {
        notify_one(word, &Waker(true));
    }

    /// The same, and that waiter has taken it.
    fn one_taken(word: &AtomicU64) {
        one(word);
        word.fetch_sub(OWED, Ordering::Relaxed);
    }

    fn all(word: &AtomicU64) {
        notify_all(word, &Waker(true));
    }

    #[test]
    fn what_another_has_taken_does_not_end_a_wait() {
        let word = AtomicU64::new(0);
        assert_eq!(sleeps(&word, &[&one_taken, &one_taken, &|_| {}]), 3);
        assert_eq!(sleeps(&word, &[&one_taken, &one, &one]), 2);
        assert_eq!(owed(word.load(Ordering::Relaxed)), 0);
        assert_eq!(sleeps(&word, &[&one_taken, &all, &one]), 2);
        // For all, but nobody was woken.
        let unwoken = |word: &AtomicU64| _ = word.fetch_add(ONE, Ordering::Release);
        assert_eq!(sleeps(&word, &[&one_taken, &unwoken, &one]), 2);
    }

    /// Between its slices a waiter does not sleep.
    #[test]
    fn a_notification_that_finds_no_sleeper_ends_every_wait() {
        let word = AtomicU64::new(0);
        let awake = |word: &AtomicU64| notify_one(word, &Waker(false));
        assert_eq!(sleeps(&word, &[&|_| {}, &awake, &|_| {}]), 2);
        let both = |word: &AtomicU64| {
            awake(word);
            word.fetch_or(WAITERS, Ordering::Relaxed);
            one_taken(word);
        };
        assert_eq!(sleeps(&word, &[&both, &|_| {}]), 1);
    }

    #[test]
    fn the_counts_wrap_around() {
        let word = AtomicU64::new(WAITERS | (u64::MAX / ASSIGNED * ASSIGNED));
        assert_eq!(sleeps(&word, &[&one_taken, &one, &one]), 2);
        assert_eq!(word.load(Ordering::Relaxed) / ASSIGNED, 1);

        let word = AtomicU64::new(GENERATION | WAITERS);
        let carry = "the carry is owed, and one more returns";
        assert_eq!(sleeps(&word, &[&one_taken, &one, &one]), 1, "{carry}");
        assert_eq!(generation::<Product>(&word), 0);

        let word = AtomicU64::new(0);
        let many = |word: &AtomicU64| (0..70_000).for_each(|_| one_taken(word));
        assert_eq!(sleeps(&word, &[&many, &one]), 1, "it cannot be sure");
    }

    #[test]
    fn what_is_owed_does_not_overflow() {
        let word = AtomicU64::new(WAITERS);
        for _ in 0..2 * MOST_OWED {
            one(&word);
        }
        let now = word.load(Ordering::Relaxed);
        assert_eq!(
            (owed(now), now / ASSIGNED, generation_of(now)),
            (MOST_OWED, MOST_OWED, 2 * MOST_OWED as u32)
        );
    }

    #[test]
    fn a_clear_keeps_the_generation_and_takes_from_what_is_assigned() {
        let word =
            |owed, assigned, generation| generation * ONE + owed * OWED + assigned * ASSIGNED;
        // Of one, which was assigned and is not any more; and of all.
        for (notify, assigned) in [
            (notify_one::<Waker> as fn(&AtomicU64, &Waker), 7),
            (notify_all, 6),
        ] {
            let shared = AtomicU64::new(word(3, 7, 5) | WAITERS);
            notify(&shared, &Waker(false));
            assert_eq!(shared.load(Ordering::Relaxed), word(0, assigned, 6));
        }
    }

    #[test]
    fn a_waiter_that_has_not_looked_yet_returns_for_any_generation() {
        let word = AtomicU64::new(ONE + ASSIGNED);
        let found = Looks::new(0).notified::<Product>(&word, ONE + ASSIGNED, true);
        assert_eq!(found, Some(1));
    }

    #[test]
    fn a_word_without_waiters_counts_notifications_only() {
        let word = AtomicU64::new(0);
        for _ in 0..5 {
            one(&word);
            all(&word);
        }
        assert_eq!(word.load(Ordering::Relaxed), 10 * ONE);
    }

    #[test]
    fn a_word_at_rest_has_the_generation_only() {
        assert_eq!(at_rest(0), 0);
        assert_eq!(at_rest(11), 10);
        assert_eq!(at_rest(u64::MAX), 0xffff_fffe);
        assert_eq!((OWED, ASSIGNED), (1 << 32, 1 << 48));
    }
}
