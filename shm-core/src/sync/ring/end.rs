//! The common part of both ends: the claim, and waiting.

use std::time::{Duration, Instant};

use crate::access::ReadWrite;
use crate::claim::word::{ClaimWord, Timeout};
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::liveness::{PeerState, PeerWatch};
use crate::protocol::ring::{Correct, Counters, End, Idle, Mutations, Side, patience};
use crate::sync::claim_guard::ClaimGuard;
use crate::sync::pace::Pace;
use crate::sync::sleeper::{Committing, Futex, Sleeper};
use crate::sync::{ClaimError, TimedOut};
use crate::sys::clock::{Deadline, RateLimiter};

/// The owner of an end, and whether a process has ever claimed it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct EndState {
    pub(super) claim: ClaimWord,
    pub(super) joined: AtomicU32,
}

/// What the receiver's end has besides.
#[derive(Debug)]
#[repr(C)]
pub(super) struct ReceiverState {
    pub(super) end: EndState,
    /// The message that the receiver handles in place, and how often it was delivered.
    pub(super) deliveries: AtomicU64,
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

    fn is_known_dead(&self, owner: u32) -> bool {
        self.claim.is_known_dead(owner)
    }
}

/// An end that this process holds until the value is dropped.
#[derive(Debug)]
pub(super) struct HeldEnd<'a, R: Side, const N: usize> {
    counters: &'a Counters,
    claim: ClaimGuard<'a>,
    peer: PeerWatch<'a, EndState>,
    end: End<R>,
    backoff: Backoff,
    patience: Patience,
    /// Whether this end waits for the next peer when the last one is gone.
    reconnects: bool,
}

impl<'a, R: Side, const N: usize> HeldEnd<'a, R, N> {
    pub(super) fn claim(
        counters: &'a Counters,
        own: &'a EndState,
        peer: &'a EndState,
        timeout: Timeout,
    ) -> Result<Self, ClaimError> {
        let claim = ClaimGuard::claim(&own.claim, timeout, |failed| {
            ClaimError::from_claim(failed, &own.claim)
        })?;
        Correct::mark_joined(&own.joined);
        Ok(Self {
            counters,
            // The peer sleeps there while it waits for this end to join or to leave.
            claim: claim.notifying(R::peer_wait_word(counters)),
            peer: PeerWatch::new(peer),
            end: End::resume(counters),
            backoff: Backoff::new(),
            patience: Patience::new(),
            reconnects: false,
        })
    }

    /// The same end, which waits for the next peer when the last one is gone.
    pub(super) fn reconnecting(self) -> Self {
        Self {
            reconnects: true,
            ..self
        }
    }

    #[inline(always)]
    pub(super) fn position(&self) -> u64 {
        self.end.position()
    }

    /// Whether the last owner of the other end has left or died. Never waits; probes an owner that may be alive.
    pub(super) fn is_disconnected(&self) -> bool {
        !self.is_mine() || self.peer.is_gone(Correct::has_left) || self.peer.is_dead()
    }

    /// Returns how many slots can be used, at least one. If that takes no wait, `timeout` is not called. The result may be less
    /// than `wanted`: this waits for one slot only.
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

    /// Whether a slot can be used for certain, without a look at the peer's counter. If not,
    /// [`wait_for_slot`](Self::wait_for_slot) says more.
    #[inline(always)]
    pub(super) fn has_slot(&self) -> bool {
        self.is_mine() && self.end.has_slot(N as u64)
    }

    /// Whether a slot can be used. If not, as with [`has_slot`](Self::has_slot).
    #[inline(always)]
    pub(super) fn finds_slot(&mut self) -> bool {
        self.is_mine() && self.end.finds_slot(self.counters, N as u64)
    }

    /// Waits until a slot can be used. Returns why none can, which fits a register: a result in memory would be stored by calls
    /// that find a slot at once, too.
    #[cold]
    #[inline(never)]
    pub(super) fn wait_for_slot(&mut self, timeout: Timeout) -> Option<Idle> {
        self.wait_for_slots(1, || timeout).err()
    }

    /// Whether this process claimed the end, and is not a fork child of the one that did.
    #[inline(always)]
    fn is_mine(&self) -> bool {
        self.claim.is_mine()
    }

    /// Waits until a slot can be used. With `Timeout::Now`, only looks, and probes the peer from time to time, unless this end
    /// waits for the next one anyway.
    #[cold]
    fn wait(&mut self, timeout: Timeout) -> Result<usize, Idle> {
        // A fork child does not hold the end.
        if !self.is_mine() {
            return Err(Idle::Gone);
        }
        let ready = if let Timeout::Now = timeout {
            if self.reconnects {
                // The caller has just looked.
                return Err(Idle::NotYet);
            }
            let probing = self.backoff.probe_is_due();
            self.end
                .poll(self.counters, N as u64, &self.peer, probing)?
        } else {
            match self.spin(timeout) {
                Some(ready) => ready,
                None => {
                    let patient =
                        R::PATIENCE != 0 && self.patience.is_due(self.end.position(), N as u64);
                    let mut env = Self::sleeper(timeout.deadline(), patient);
                    let (counters, capacity) = (self.counters, N as u64);
                    if self.reconnects {
                        self.end
                            .wait_for_work(counters, capacity, &mut env)
                            .ok_or(Idle::NotYet)?
                    } else {
                        self.peer.look_before_waiting();
                        self.end.wait(counters, capacity, &mut env, &self.peer)?
                    }
                }
            }
        };
        Ok(ready as usize)
    }

    /// Waits until a living process holds the other end. `None` in a fork child, which does not hold this end.
    pub(super) fn wait_for_peer(&self) -> Option<()> {
        while self.is_mine() {
            // The clock never reaches this deadline.
            if let Ok(()) = self.wait_for_peer_until(Deadline::NEVER) {
                return Some(());
            }
        }
        None
    }

    /// Waits as [`wait_for_peer`](Self::wait_for_peer) does, until `deadline` at the latest. In a fork child it times out at
    /// once.
    pub(super) fn wait_for_peer_until(&self, deadline: Deadline) -> Result<(), TimedOut> {
        let mut env = Self::sleeper(deadline, false);
        let joined = self.is_mine()
            && self
                .end
                .wait_for_peer(self.counters, N as u64, &mut env, &self.peer);
        joined.then_some(()).ok_or(TimedOut)
    }

    fn sleeper(deadline: Deadline, patient: bool) -> Sleeper {
        Sleeper::until(deadline)
            .for_commits()
            .without_spinning()
            .with_patience(R::PATIENCE, patient)
    }

    /// Spins for a while: a peer that keeps up answers sooner than a sleep would begin.
    fn spin(&mut self, timeout: Timeout) -> Option<u64> {
        if let Timeout::At(deadline) = timeout
            && deadline.left().is_zero()
        {
            return None;
        }
        for _ in 0..self.backoff.pace.spins() {
            let ready = self.end.ready(self.counters, N as u64, 1);
            if ready > 0 {
                self.backoff.pace = self.backoff.pace.after(true);
                return Some(ready);
            }
            std::hint::spin_loop();
        }
        self.backoff.pace = self.backoff.pace.after(false);
        None
    }

    /// Calls `work` with the number of the next slot, then hands `count` slots to the other end. `count` is at most what
    /// [`wait_for_slots`](Self::wait_for_slots) returned.
    #[inline(always)]
    pub(super) fn commit<V>(&mut self, count: usize, work: impl FnOnce(usize) -> V) -> V {
        let result = work(self.next_slot());
        self.hand_over(count);
        result
    }

    /// [`commit`](Self::commit)s one slot, where `work` is a closure of the user's. If it panics, nothing is committed. `None` in
    /// a child that it forked: the message is the parent's, which may be far ahead by now.
    #[inline(always)]
    pub(super) fn commit_one<V>(&mut self, work: impl FnOnce(usize) -> V) -> Option<V> {
        let result = work(self.next_slot());
        self.commit_in_place(1).map(|()| result)
    }

    /// Hands `count` slots, which the user has written or read, to the other end. `count` is at most what
    /// [`wait_for_slots`](Self::wait_for_slots) returned. `None` in a fork child.
    #[inline(always)]
    pub(super) fn commit_in_place(&mut self, count: usize) -> Option<()> {
        if !self.is_mine() {
            return None;
        }
        self.hand_over(count);
        Some(())
    }

    #[inline(always)]
    fn hand_over(&mut self, count: usize) {
        let waker = Committing(Futex, self.claim.order());
        self.end
            .commit(self.counters, N as u64, count as u64, waker);
    }

    /// The slot of the next message.
    #[inline(always)]
    pub(super) fn next_slot(&self) -> usize {
        self.end.slot(N as u64)
    }
}

/// A deadline that is computed only when a wait begins, since that reads the clock.
#[inline(always)]
pub(super) fn until(timeout: Duration) -> impl FnOnce() -> Timeout {
    move || Timeout::At(Deadline::after(timeout))
}

/// The same for a deadline that the caller has.
#[inline(always)]
pub(super) fn at(deadline: Instant) -> impl FnOnce() -> Timeout {
    move || Timeout::At(Deadline::at(deadline))
}

/// When a sender is patient: once it has slept again and again while the ring stayed full. One that sleeps now and then wants the
/// first free slot.
#[derive(Debug)]
struct Patience {
    /// The number of the message for which it slept last.
    slept_for: Option<u64>,
    /// How often it has slept, each time within as many messages as there are slots.
    times: u32,
}

impl Patience {
    /// How often a sender sleeps before it is patient.
    const TIMES: u32 = 2;

    fn new() -> Self {
        Self {
            slept_for: None,
            times: 0,
        }
    }

    /// Called before each sleep for room, with the number of the message.
    fn is_due(&mut self, number: u64, capacity: u64) -> bool {
        let again = self
            .slept_for
            .replace(number)
            .is_some_and(|last| number.wrapping_sub(last) <= capacity);
        self.times = if again {
            self.times.saturating_add(1)
        } else {
            0
        };
        // If it would be woken for the first slot in any case, it saves the timer.
        self.times >= Self::TIMES && patience(capacity) > 1
    }
}

/// How long to spin, and when to probe the peer.
#[derive(Debug)]
struct Backoff {
    pace: Pace,
    probes: RateLimiter,
}

impl Backoff {
    /// The least time between two probes of the peer by calls that do not wait, which may come a million times a second.
    const BETWEEN_PROBES: Duration = Duration::from_millis(1);

    fn new() -> Self {
        Self {
            pace: Pace::new(),
            probes: RateLimiter::new(),
        }
    }

    fn probe_is_due(&mut self) -> bool {
        self.probes.is_due(Self::BETWEEN_PROBES)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_patient_from_the_third_sleep_in_a_row() {
        let mut patience = Patience::new();
        let mut due = |numbers: &[u64], capacity| -> Vec<bool> {
            let due = |number: &u64| patience.is_due(*number, capacity);
            numbers.iter().map(due).collect()
        };
        assert_eq!(due(&[64, 65, 66, 98], 64), [false, false, true, true]);
        // Again after more messages than there are slots.
        assert_eq!(due(&[163, 164, 228, 293], 64), [false, false, true, false]);
        // Half of so few slots is one.
        assert_eq!(due(&[293, 294, 295, 296], 3), [false; 4]);
    }
}
