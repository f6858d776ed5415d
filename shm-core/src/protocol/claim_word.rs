//! The claim word: the owner of an exclusive role, in 32 bits.
//!
//! # Synchronization
//!
//! | word | state |
//! |---|---|
//! | 0 | free |
//! | `POISON` | free; the last owner died or panicked and nobody has repaired its work |
//! | id | owned by the participant with this id |
//! | id, `POISON` | owned by a participant that took it from a dead owner, or after one |
//! | .., `WAITERS` | a process may be asleep on the word: the owner has to wake one |
//!
//! | step | by | from | to | ordering |
//! |---|---|---|---|---|
//! | claim | anyone | 0 | id | acquire |
//! | claim, after a death | anyone | `POISON` | id, `POISON` | acquire |
//! | claim, having slept | a waiter | as above | as above, `WAITERS` | acquire |
//! | load | anyone | any | the same | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | announce sleep | a waiter | the word seen | the same, `WAITERS` | relaxed |
//! | give up, having slept | a waiter | another's id | the same, `WAITERS` | relaxed |
//! | take over | anyone whose probe finds the owner dead | the exact word seen | id, `WAITERS`, `POISON` | acquire |
//! | release | the owner | id, any flags | 0 or `POISON` | release |
//!
//! Every step is a compare-and-swap, release included: if the word holds anything but the owner's id, the owner has lost
//! the claim, and clearing the word would free another's. It takes no longer than a swap.
//!
//! Between a death and its take-over nothing in the word orders memory, for the dead do not release. The probe does: the
//! kernel drops the dead process's lock after its last access, and a process that sees the lock gone comes after that. It
//! therefore sees the dead owner's own claim, and all that came before: the acquire of a take-over adds nothing to the
//! probe's, and no model could miss it.
//!
//! A waiter that claims after having slept keeps `WAITERS` set, because others may be asleep that nobody will announce
//! again. For the same reason a waiter that gives up after having slept sets it once more, or wakes another if the word is
//! free: its own wake-up may have been meant for any of them. A waiter that is woken and dies before it claims swallows the
//! wake-up. Therefore sleep is cut into slices: nobody sleeps on a free word for longer than one.
//!
//! A peer that writes anything into the word can make claims fail, wait, or succeed for two processes at a time. It cannot
//! make a process with a deadline hang: each round checks the clock.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};
use crate::protocol::wait::WaitStep;

/// The bits of the participant's id.
pub(crate) const ID: u32 = (1 << 30) - 1;

/// The word once its owner has left in peace, and nobody waits.
pub(crate) const fn left(word: u32) -> u32 {
    word & POISON
}

/// The word once its owner, if it has one, has died, another has noticed that, and nobody waits.
pub(crate) const fn abandoned(word: u32) -> u32 {
    match word & ID {
        0 => word & POISON,
        _ => POISON,
    }
}
/// An earlier owner died or panicked, and nobody has repaired its work.
pub(crate) const POISON: u32 = 1 << 30;
/// A process may be asleep on the word.
pub(crate) const WAITERS: u32 = 1 << 31;

/// The ordering of a successful claim.
pub(crate) const CLAIM: Ordering = Ordering::Acquire;
/// The ordering of a load of the owner, or of `POISON`.
pub(crate) const LOAD: Ordering = Ordering::Acquire;

/// What a release needs from outside. Models implement it themselves.
pub(crate) trait WakeOne {
    /// The ordering of a release. Only mutants change it.
    const RELEASE: Ordering = Ordering::Release;

    /// Wakes one process that sleeps on the word.
    fn wake(&self, word: &AtomicU32);
}

/// What a wait for the claim needs from outside: clock, kernel and peers. Models implement it themselves.
pub(crate) trait ClaimEnv {
    /// The ordering of a successful claim. Only mutants change it.
    const CLAIM: Ordering = CLAIM;
    /// The flags that a claim keeps for others that may be asleep. Only mutants drop [`WAITERS`].
    const KEPT_FLAGS: u32 = WAITERS;
    /// Whether a waiter that gives up passes its wake-up on. Only mutants skip this.
    const PASSES_ON: bool = true;
    /// How many times it looks for an owner that passes the wake-up on, before it wakes another waiter itself. Only tests change it.
    const PASS_ATTEMPTS: u32 = 64;

    /// How many times to load the word before anything else.
    fn spins(&self) -> u32;
    /// What this round does. Called once per round.
    fn next_step(&mut self) -> WaitStep;
    /// Whether the participant is certainly dead. What it did happened before this.
    fn is_dead(&mut self, owner: u32) -> bool;
    /// Sleeps while the word is `seen`, at most until the next probe is due.
    fn sleep(&mut self, word: &AtomicU32, seen: u32);
}

/// A successful claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// Whether an earlier owner died or panicked, and nobody has repaired its work since.
    pub(crate) poisoned: bool,
}

/// Claims a free word: the whole cost of an uncontended claim.
#[inline(always)]
pub(crate) fn claim_free(word: &AtomicU32, me: u32) -> bool {
    claim_free_as(word, me, CLAIM)
}

/// Claims a free word with the given ordering. Only mutants use another one.
#[inline(always)]
pub(crate) fn claim_free_as(word: &AtomicU32, me: u32, ordering: Ordering) -> bool {
    word.compare_exchange(0, me, ordering, Ordering::Relaxed)
        .is_ok()
}

/// The owner's id, dead or alive, or 0, through a mapping that is writable or read-only. The models' mutants change the
/// ordering; all others load with [`LOAD`].
#[inline(always)]
pub(crate) fn owner(word: &AtomicU32, ordering: Ordering, writable: bool) -> u32 {
    load(word, ordering, writable) & ID
}

/// Whether the word is free, and an owner has died or panicked without a later one repairing the value. The ordering is as
/// for [`owner`].
#[inline(always)]
pub(crate) fn is_poisoned(word: &AtomicU32, ordering: Ordering, writable: bool) -> bool {
    load(word, ordering, writable) & (ID | POISON) == POISON
}

/// Claims the word, waiting for its owner to release it or to die. `None` if the final probe finds it alive.
#[cold]
pub(crate) fn claim<W: ClaimEnv + WakeOne>(
    word: &AtomicU32,
    me: u32,
    env: &mut W,
) -> Option<Claimed> {
    // A running owner usually releases sooner than a sleep would begin.
    for _ in 0..env.spins() {
        let seen = word.load(Ordering::Relaxed);
        if seen & ID == 0 || seen & WAITERS != 0 {
            break;
        }
        std::hint::spin_loop();
    }
    let mut slept = 0;
    loop {
        let step = env.next_step();
        let seen = word.load(Ordering::Relaxed);
        let owner = seen & ID;
        if owner == 0 {
            let mine = me | (seen & POISON) | ((seen | slept) & W::KEPT_FLAGS);
            if word
                .compare_exchange(seen, mine, W::CLAIM, Ordering::Relaxed)
                .is_ok()
            {
                let poisoned = seen & POISON != 0;
                return Some(Claimed { poisoned });
            }
        } else if step == WaitStep::Sleep {
            let announced = seen | WAITERS;
            if seen == announced
                || word
                    .compare_exchange(seen, announced, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                env.sleep(word, announced);
                slept = WAITERS;
            }
        } else if owner != me && env.is_dead(owner) {
            // From exactly the word that was seen with the dead owner, so that only one take-over succeeds.
            let mine = me | POISON | W::KEPT_FLAGS;
            if word
                .compare_exchange(seen, mine, W::CLAIM, Ordering::Relaxed)
                .is_ok()
            {
                return Some(Claimed { poisoned: true });
            }
        }
        if step == WaitStep::FinalProbe {
            if slept != 0 && W::PASSES_ON {
                pass_on_wake_up(word, env);
            }
            return None;
        }
    }
}

/// Passes a wake-up on when a waiter gives up: its last sleep may have ended by a wake-up that was meant for any of the
/// sleepers, and the next owner does not know of them.
#[cold]
fn pass_on_wake_up<W: ClaimEnv + WakeOne>(word: &AtomicU32, waker: &W) {
    for _ in 0..W::PASS_ATTEMPTS {
        let seen = word.load(Ordering::Relaxed);
        if seen & WAITERS != 0 {
            return;
        }
        if seen & ID == 0 {
            break;
        }
        if word
            .compare_exchange(seen, seen | WAITERS, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            return;
        }
    }
    // The word is free, or its owner changes all the time, so the one that is woken soon finds it free, or announces itself.
    waker.wake(word);
}

/// Releases the word, if it still has this owner, and wakes a waiter. `poison` marks the protected data as possibly half
/// written.
#[inline]
pub(crate) fn release<W: WakeOne>(word: &AtomicU32, me: u32, poison: bool, waker: &W) {
    let free = if poison { POISON } else { 0 };
    if let Err(seen) = word.compare_exchange(me, free, W::RELEASE, Ordering::Relaxed) {
        release_changed(word, me, seen, free, waker);
    }
}

/// Releases a word that has flags, or another owner: `seen` is what it was.
#[cold]
#[inline(never)]
fn release_changed<W: WakeOne>(word: &AtomicU32, me: u32, mut seen: u32, free: u32, waker: &W) {
    // Others change the word of a living owner only by announcing themselves, once. Bounded, because a peer could do
    // more.
    for _ in 0..64 {
        if seen & ID != me {
            return;
        }
        match word.compare_exchange(seen, free, W::RELEASE, Ordering::Relaxed) {
            Ok(_) => {
                if seen & WAITERS != 0 {
                    waker.wake(word);
                }
                return;
            }
            Err(now) => seen = now,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Gives up after its first sleep, during which the word becomes another one.
    struct GivesUp<const PASS_ATTEMPTS: u32> {
        then: u32,
        steps: u32,
        wakes: std::cell::Cell<u32>,
    }

    impl<const PASS_ATTEMPTS: u32> WakeOne for GivesUp<PASS_ATTEMPTS> {
        fn wake(&self, _: &AtomicU32) {
            self.wakes.set(self.wakes.get() + 1);
        }
    }

    impl<const PASS_ATTEMPTS: u32> ClaimEnv for GivesUp<PASS_ATTEMPTS> {
        const PASS_ATTEMPTS: u32 = PASS_ATTEMPTS;

        fn spins(&self) -> u32 {
            0
        }

        fn next_step(&mut self) -> WaitStep {
            self.steps += 1;
            if self.steps == 1 {
                WaitStep::Sleep
            } else {
                WaitStep::FinalProbe
            }
        }

        fn is_dead(&mut self, _: u32) -> bool {
            false
        }

        fn sleep(&mut self, word: &AtomicU32, _: u32) {
            word.store(self.then, Ordering::Relaxed);
        }
    }

    /// The word, and how often another waiter was woken, after process 1 has given up.
    fn given_up<const PASS_ATTEMPTS: u32>(then: u32) -> (u32, u32) {
        let mut env = GivesUp::<PASS_ATTEMPTS> {
            then,
            steps: 0,
            wakes: std::cell::Cell::new(0),
        };
        let word = AtomicU32::new(2);
        assert_eq!(claim(&word, 1, &mut env), None);
        (word.load(Ordering::Relaxed), env.wakes.get())
    }

    #[test]
    fn a_wake_up_is_passed_on_to_the_next_owner() {
        assert_eq!(given_up::<1>(3), (3 | WAITERS, 0));
        assert_eq!(given_up::<1>(3 | WAITERS), (3 | WAITERS, 0));
    }

    #[test]
    fn a_wake_up_is_passed_on_even_if_the_owner_keeps_changing() {
        assert_eq!(given_up::<0>(3), (3, 1));
    }

    #[test]
    fn a_left_word_keeps_the_poison_and_an_abandoned_one_gets_it() {
        for (word, of_left, of_abandoned) in [
            (0, 0, 0),
            (7, 0, 0x4000_0000),
            (0x4000_0000, 0x4000_0000, 0x4000_0000),
            (0x4000_0007, 0x4000_0000, 0x4000_0000),
            (0x8000_0000, 0, 0),
            (0x8000_0007, 0, 0x4000_0000),
            (0xffff_ffff, 0x4000_0000, 0x4000_0000),
        ] {
            assert_eq!(left(word), of_left, "{word:#x}");
            assert_eq!(abandoned(word), of_abandoned, "{word:#x}");
        }
        assert_eq!(WAITERS, 0x8000_0000);
    }
}
