//! What the two ends have in common: a claim that makes the process the only one, and timeout.

use std::time::Duration;

use crate::access::ReadWrite;
use crate::claim::word::{ClaimWord, Timeout};
use crate::primitive::AtomicU32;
use crate::protocol::liveness::{PeerState, PeerWatch};
use crate::protocol::ring::{Correct, Counters, End, Idle, Mutations, Side};
use crate::sync::claim_guard::ClaimGuard;
use crate::sync::sleeper::{Futex, Sleeper};
use crate::sync::{ClaimError, TimedOut};
use crate::sys::clock::{Deadline, RateLimiter};

/// Who has an end, and whether anybody ever had it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct EndState {
    pub(super) claim: ClaimWord,
    pub(super) joined: AtomicU32,
}

impl PeerState for EndState {
    #[inline(always)]
    fn joined(&self) -> &AtomicU32 {
        &self.joined
    }

    #[inline(always)]
    fn owner(&self) -> u32 {
        self.claim.owner_id::<ReadWrite>()
    }

    fn is_dead(&self, owner: u32) -> bool {
        self.claim.is_dead(owner)
    }
}

/// An end that this process has, until this is dropped.
#[derive(Debug)]
pub(super) struct HeldEnd<'a, R: Side, const N: usize> {
    counters: &'a Counters,
    role: ClaimGuard<'a>,
    other: PeerWatch<'a, EndState>,
    end: End<R>,
    pace: Pace,
}

impl<'a, R: Side, const N: usize> HeldEnd<'a, R, N> {
    pub(super) fn claim(
        counters: &'a Counters,
        own: &'a EndState,
        other: &'a EndState,
        timeout: Timeout,
    ) -> Result<Self, ClaimError> {
        let role = ClaimGuard::claim(&own.claim, timeout)?;
        Correct::mark_joined(&own.joined);
        Ok(Self {
            counters,
            // Who waits for somebody to come, or to leave, sleeps there.
            role: role.notifying(R::peer_wait_word(counters)),
            other: PeerWatch::new(other),
            end: End::resume(counters),
            pace: Pace::new(),
        })
    }

    #[inline(always)]
    pub(super) fn position(&self) -> u64 {
        self.end.position()
    }

    /// How many slots there are to use, as far as that is known or can be seen at once: at least one. Where there are none
    /// it waits for them, as `timeout` allows, which is only asked for then.
    #[inline(always)]
    pub(super) fn wait_for_slots(
        &mut self,
        wanted: usize,
        timeout: impl FnOnce() -> Timeout,
    ) -> Result<usize, Idle> {
        if self.is_mine() {
            let ready = self.end.ready(self.counters, N as u64, wanted as u64) as usize;
            if ready > 0 {
                return Ok(ready);
            }
        }
        self.wait(timeout())
    }

    /// Whether this process is the one that has claimed the end, and not a fork child of it.
    #[inline(always)]
    fn is_mine(&self) -> bool {
        self.role.is_mine()
    }

    /// Waits for slots to use when there are none, as timeout allows. One that needs no time also tells if the other end
    /// is gone.
    #[cold]
    fn wait(&mut self, timeout: Timeout) -> Result<usize, Idle> {
        // In a fork child the end is its parent's: not connected to anything.
        if !self.is_mine() {
            return Err(Idle::Gone);
        }
        let ready = if let Timeout::Now = timeout {
            let probing = self.pace.probe_is_due();
            self.end
                .poll(self.counters, N as u64, &self.other, probing)?
        } else {
            match self.spin(timeout) {
                Some(ready) => ready,
                None => {
                    let mut env = Sleeper::until(timeout.deadline()).without_spinning();
                    self.end
                        .wait(self.counters, N as u64, &mut env, &self.other)?
                }
            }
        };
        Ok(ready as usize)
    }

    /// Waits until the other end is claimed. `None` in a fork child, whose end is its parent's.
    pub(super) fn wait_for_peer(&self) -> Option<()> {
        while self.is_mine() {
            // The clock never reaches this deadline.
            if let Ok(()) = self.wait_for_peer_timeout(Duration::MAX) {
                return Some(());
            }
        }
        None
    }

    /// Waits until the other end is claimed, for at most `timeout`; not at all in a fork child, whose end is its parent's.
    pub(super) fn wait_for_peer_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        let mut env = Sleeper::until(Deadline::after(timeout)).without_spinning();
        let joined = self.is_mine()
            && self
                .end
                .wait_for_peer(self.counters, N as u64, &mut env, &self.other);
        joined.then_some(()).ok_or(TimedOut)
    }

    /// Looks for a while, because a process that keeps up is there sooner than a sleep begins.
    fn spin(&mut self, timeout: Timeout) -> Option<u64> {
        if let Timeout::At(deadline) = timeout
            && deadline.left().is_zero()
        {
            return None;
        }
        for _ in 0..self.pace.spins() {
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

    /// Uses slots of which [`wait_for_slots`](Self::wait_for_slots) has told, the first of which is the one whose number `work` is given, and
    /// hands them to the other end.
    #[inline(always)]
    pub(super) fn commit<V>(&mut self, count: usize, work: impl FnOnce(usize) -> V) -> V {
        let result = work(self.end.slot(N as u64));
        self.end.commit(self.counters, count as u64, &Futex);
        result
    }

    /// [`commit`](Self::commit) for one slot, where `work` is somebody else's. If it panics nothing has happened. `None` if it
    /// has forked and this is the child: the message is the parent's, which may be far ahead by now.
    #[inline(always)]
    pub(super) fn commit_one<V>(&mut self, work: impl FnOnce(usize) -> V) -> Option<V> {
        let result = work(self.end.slot(N as u64));
        if !self.is_mine() {
            return None;
        }
        self.end.commit(self.counters, 1, &Futex);
        Some(result)
    }
}

/// How long to wait where there is a timeout: the clock is not looked at before there is nothing to do.
#[inline(always)]
pub(super) fn until(timeout: Duration) -> impl FnOnce() -> Timeout {
    move || Timeout::At(Deadline::after(timeout))
}

/// How long to spin, by how it went so far; and when to look at the other's life without waiting.
#[derive(Debug)]
struct Pace {
    spins: u32,
    /// Spins in vain, one after the other.
    vain: u32,
    probes: RateLimiter,
}

impl Pace {
    /// A microsecond or less: what it takes one to answer who is awake on another processor. On the same processor it is
    /// wasted, but is little beside the sleep.
    const LEAST: u32 = 32;
    /// Some microseconds: what it takes one to answer who has to be woken.
    const MOST: u32 = 512;
    /// With the least alone, two that wait for each other in turn would never get out of sleeping again, although each has
    /// a processor by now. So the most is tried every so many times; if it was not in vain, both are awake from then on.
    const RETRY: u32 = 16;
    /// Between two looks at the other's life by one who does not wait, and so may ask a million times a second.
    const BETWEEN_PROBES: Duration = Duration::from_millis(1);

    fn new() -> Self {
        Self {
            spins: Self::MOST,
            vain: 0,
            probes: RateLimiter::new(),
        }
    }

    fn spins(&self) -> u32 {
        if self.vain % Self::RETRY == Self::RETRY - 1 {
            Self::MOST
        } else {
            self.spins
        }
    }

    fn was_worth_it(&mut self) {
        self.spins = Self::MOST;
        self.vain = 0;
    }

    fn was_in_vain(&mut self) {
        self.spins = (self.spins / 2).max(Self::LEAST);
        self.vain = self.vain.wrapping_add(1);
    }

    fn probe_is_due(&mut self) -> bool {
        self.probes.is_due(Self::BETWEEN_PROBES)
    }
}
