//! The claim word: who has an exclusive role, in 32 bits.
//!
//! # Synchronization
//!
//! | word | state |
//! |---|---|
//! | 0 | free |
//! | `POISON` | free, and the last owner died or panicked without making its work whole |
//! | id | owned by the participant with this id |
//! | id, `POISON` | owned by who took it from a dead owner, or after one |
//! | .., `WAITERS` | somebody may be asleep on the word: its owner has to wake one |
//!
//! | step | by | from | to | ordering |
//! |---|---|---|---|---|
//! | claim | anyone | 0 | id | acquire |
//! | claim, after a death | anyone | `POISON` | id, `POISON` | acquire |
//! | claim, having slept | a waiter | as above | as above, `WAITERS` | acquire |
//! | announce sleep | a waiter | the word seen | the same, `WAITERS` | relaxed |
//! | give up, having slept | a waiter | another's id | the same, `WAITERS` | relaxed |
//! | take over | anyone whose probe says "dead" | the exact word seen | id, `WAITERS`, `POISON` | acquire |
//! | release | the owner | id, any flags | 0 or `POISON` | release |
//!
//! All of them are a compare-and-swap. Release too: where something else is in the word than the owner's id it has lost the
//! claim, and clearing it would free another's. It takes no longer than a swap.
//!
//! Between a death and its take-over nothing in the word orders memory, for the dead do not release. The probe does: the
//! kernel drops the dead process's lock after its last access, and who sees the lock gone comes after that. With it the dead
//! one's own claim is seen, and so all that came before: the acquire of a take-over adds nothing to the probe's, and no
//! model could miss it.
//!
//! Who claims after having slept keeps `WAITERS` set, because others may be asleep that nobody will announce again. For the
//! same reason who gives up after having slept sets it once more, or wakes another if the word is free: it may have been
//! woken for the sake of any of them. Who is woken and dies before it claims swallows a wake-up. Therefore sleep is cut into
//! slices: nobody sleeps on a free word for longer than one.
//!
//! A peer that writes anything into the word can make claims fail, wait or succeed for two at a time. It cannot make
//! anyone hang who has a deadline: each round looks at the clock.

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;
use crate::protocol::wait::WaitStep;

/// The bits of the participant's id.
pub(crate) const ID: u32 = (1 << 30) - 1;
/// The role was last held by one that died or panicked.
pub(crate) const POISON: u32 = 1 << 30;
/// Somebody may be asleep on the word.
pub(crate) const WAITERS: u32 = 1 << 31;

/// What releasing needs from outside. The model has its own.
pub(crate) trait WakeOne {
    /// The ordering of a release. Only a model that is to fail has another.
    const RELEASE: Ordering = Ordering::Release;

    /// Wakes one that sleeps on the word.
    fn wake(&self, word: &AtomicU32);
}

/// What waiting needs from outside: clock, kernel and peers. The model has its own.
pub(crate) trait ClaimEnv {
    /// The ordering of a successful claim. Only a model that is to fail has another.
    const CLAIM: Ordering = Ordering::Acquire;
    /// What a claim takes along of [`WAITERS`], for others who may be asleep. Only a model that is to fail drops it.
    const KEPT_FLAGS: u32 = WAITERS;
    /// Whether who gives up passes a wake-up on. Only a model that is to fail keeps it.
    const PASSES_ON: bool = true;

    /// How often to look at the word before anything else.
    fn spins(&self) -> u32;
    /// What this round is for. Called once a round.
    fn next_step(&mut self) -> WaitStep;
    /// Whether the participant is dead for sure. What it did before happened before this.
    fn is_dead(&mut self, owner: u32) -> bool;
    /// Sleeps while the word is `seen`, at most until the next probe is due.
    fn sleep(&mut self, word: &AtomicU32, seen: u32);
}

/// A role that was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// Whether the owner before died, or panicked, or none has made its work whole since one did.
    pub(crate) poisoned: bool,
}

/// Claims a free word: the whole cost of a claim that nobody contends.
#[inline(always)]
pub(crate) fn claim_free(word: &AtomicU32, me: u32) -> bool {
    claim_free_as(word, me, Ordering::Acquire)
}

/// The same with an ordering. Only a model that is to fail has another.
#[inline(always)]
pub(crate) fn claim_free_as(word: &AtomicU32, me: u32, ordering: Ordering) -> bool {
    word.compare_exchange(0, me, ordering, Ordering::Relaxed)
        .is_ok()
}

/// Claims the word, waiting for its owner to release it or to die. `None` when the final probe has come.
#[cold]
pub(crate) fn claim<W: ClaimEnv + WakeOne>(
    word: &AtomicU32,
    me: u32,
    env: &mut W,
) -> Option<Claimed> {
    // An owner that is just at work is done sooner than a sleep begins.
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
            // Exactly what was seen with the dead owner: who comes second finds another word.
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

/// Sees to it that somebody else is woken by who gives up: its last sleep may have ended by a wake-up that was meant for any
/// one of those asleep, and since then another has the lock, without a word of them.
#[cold]
fn pass_on_wake_up<W: WakeOne>(word: &AtomicU32, waker: &W) {
    // A peer that keeps changing the word should not hold this up for ever.
    for _ in 0..64 {
        let seen = word.load(Ordering::Relaxed);
        if seen & WAITERS != 0 {
            return;
        }
        if seen & ID == 0 {
            return waker.wake(word);
        }
        if word
            .compare_exchange(seen, seen | WAITERS, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            return;
        }
    }
}

/// Releases the word, if it still has this owner, and wakes a waiter. `poison` tells the next owner that something is
/// left half done.
#[inline]
pub(crate) fn release<W: WakeOne>(word: &AtomicU32, me: u32, poison: bool, waker: &W) {
    let free = if poison { POISON } else { 0 };
    let mut seen = me;
    // Others change the word of a living owner only by announcing themselves, once. A peer that does more should not
    // hold this up for ever.
    for _ in 0..64 {
        match word.compare_exchange(seen, free, W::RELEASE, Ordering::Relaxed) {
            Ok(_) => {
                if seen & WAITERS != 0 {
                    waker.wake(word);
                }
                return;
            }
            Err(now) if now & ID == me => seen = now,
            Err(_) => return,
        }
    }
}
