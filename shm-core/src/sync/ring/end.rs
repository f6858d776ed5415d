//! What the two ends have in common: a claim that makes the process the only one, and patience.

use std::time::{Duration, Instant};

use super::error::EndError;
use super::protocol::{Counters, End, Idle, Other, Role};
use crate::claim::{ClaimWord, Owner, Patience, Refused, Turn};
use crate::primitive::{AtomicU32, Ordering};
use crate::sync::eventcount::{World, notify};
use crate::sync::sleep::{Futex, Sleeper};

/// Who has an end, and whether anybody ever had it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Seat {
    pub(super) claim: ClaimWord,
    pub(super) came: AtomicU32,
}

impl Other for Seat {
    #[inline]
    fn has_left(&self) -> bool {
        // In this order: who sees that somebody has come also sees the claim that came first. The other way round the
        // first one to come could seem to have left.
        self.came.load(Ordering::Acquire) != 0 && self.claim.is_free()
    }

    fn is_dead(&self) -> bool {
        self.claim.owner() == Owner::Dead
    }
}

/// An end that this process has, until this is dropped.
#[derive(Debug)]
pub(super) struct HeldEnd<'a, R: Role, const N: usize> {
    counters: &'a Counters,
    own: &'a Seat,
    other: &'a Seat,
    /// The id that the end is claimed by.
    me: u32,
    end: End<R>,
    pace: Pace,
}

impl<'a, R: Role, const N: usize> HeldEnd<'a, R, N> {
    pub(super) fn claim(
        counters: &'a Counters,
        own: &'a Seat,
        other: &'a Seat,
        patience: Patience,
    ) -> Result<Self, EndError> {
        let held = match own.claim.claim_free() {
            Some(held) => held,
            None => own.claim.claim(patience).map_err(|refused| match refused {
                Refused::Owned => EndError::Taken,
                Refused::Unprotected(error) => EndError::Unregistered(error),
            })?,
        };
        // Where it is killed before this, its claim is still there and tells as much. Pairs with `has_left`.
        own.came.store(1, Ordering::Release);
        Ok(Self {
            counters,
            own,
            other,
            me: held.me,
            end: End::resume(counters),
            pace: Pace::new(),
        })
    }

    #[inline(always)]
    pub(super) fn position(&self) -> u64 {
        self.end.position()
    }

    /// How many slots there are to use, as far as that is known or can be seen at once: at least one, or `None`.
    #[inline(always)]
    pub(super) fn ready(&mut self, wanted: usize) -> Option<usize> {
        if !self.own.claim.is_mine(self.me) {
            return None;
        }
        let ready = self.end.ready(self.counters, N as u64, wanted as u64) as usize;
        (ready > 0).then_some(ready)
    }

    /// Waits for slots to use when there are none, as patience allows. One that needs no time also tells if the other end
    /// is gone.
    #[cold]
    pub(super) fn wait(&mut self, patience: Patience) -> Result<usize, Idle> {
        // In a fork child the end is its parent's: not connected to anything.
        if !self.own.claim.is_mine(self.me) {
            return Err(Idle::Gone);
        }
        let ready = if let Patience::None = patience {
            let probing = self.pace.probe_is_due();
            self.end
                .poll(self.counters, N as u64, self.other, probing)?
        } else {
            match self.spin() {
                Some(ready) => ready,
                None => {
                    let mut world = Asleep(Sleeper::until(patience.deadline()));
                    self.end
                        .wait(self.counters, N as u64, &mut world, self.other)?
                }
            }
        };
        Ok(ready as usize)
    }

    /// Looks for a while, because a process that keeps up is there sooner than a sleep begins.
    fn spin(&mut self) -> Option<u64> {
        for _ in 0..self.pace.spins {
            let ready = self.end.ready(self.counters, N as u64, 1);
            if ready > 0 {
                self.pace.was_worth_it();
                return Some(ready);
            }
            std::hint::spin_loop();
        }
        self.pace.was_in_vain();
        None
    }

    /// Uses slots of which [`ready`](Self::ready) or [`wait`](Self::wait) has told, and hands them to the other end.
    #[inline(always)]
    pub(super) fn pass<V>(&mut self, count: usize, work: impl FnOnce(usize) -> V) -> V {
        self.end
            .pass(self.counters, N as u64, count as u64, &Futex, work)
    }
}

impl<R: Role, const N: usize> Drop for HeldEnd<'_, R, N> {
    fn drop(&mut self) {
        if self.own.claim.is_mine(self.me) {
            // Nothing is ever left half done, so the next one has nothing to bring in order.
            self.own.claim.release(self.me, false);
            notify(R::their_bed(self.counters), &Futex);
        }
    }
}

/// Sleep that follows a spin of its own.
struct Asleep(Sleeper);

impl World for Asleep {
    fn spins(&self) -> u32 {
        0
    }

    fn turn(&mut self) -> Turn {
        self.0.turn()
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.0.sleep(word, seen);
    }
}

/// How long to spin, by how it went so far; and when to look at the other's life without waiting.
#[derive(Debug)]
struct Pace {
    spins: u32,
    next_probe: Option<Instant>,
}

impl Pace {
    /// Some microseconds: what it takes one that is woken to answer. With less, two that wait for each other in turn would
    /// never get out of sleeping again.
    const LEAST: u32 = 192;
    const MOST: u32 = 512;
    /// Between two looks at the other's life by one who does not wait, and so may ask a million times a second.
    const BETWEEN_PROBES: Duration = Duration::from_millis(1);

    fn new() -> Self {
        Self {
            spins: Self::MOST,
            next_probe: None,
        }
    }

    fn was_worth_it(&mut self) {
        self.spins = (self.spins * 2).min(Self::MOST);
    }

    fn was_in_vain(&mut self) {
        self.spins = (self.spins / 2).max(Self::LEAST);
    }

    fn probe_is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.next_probe.is_none_or(|next| now >= next);
        if due {
            self.next_probe = Some(now + Self::BETWEEN_PROBES);
        }
        due
    }
}
