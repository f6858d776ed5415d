//! The barrier's words.
//!
//! # Synchronization
//!
//! | word | what |
//! |---|---|
//! | `round` | an eventcount: bits 1 to 31 are the number of the present round, modulo 2^31; bit 0 is `WAITERS` |
//! | `left` | the eventcount of processes that wait for a seat: [`eventcount`] |
//! | `claim`, one a seat | the participant; see [`crate::protocol::claim_word`] |
//! | `arrived`, one a seat | the number after that of the last round in which this seat has arrived, modulo 2^31 |
//!
//! | step | by | on | ordering |
//! |---|---|---|---|
//! | arrive | the owner of the seat | `arrived` = the round's number + 1 | release; then the full fence of an announcement, see [`eventcount`] |
//! | check arrivals | anyone that waits, or asks | every `arrived` | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | complete, if all have arrived | the same | `round`, by compare-and-swap from this round to the next, clearing `WAITERS` | acquire and release |
//! | wake, if `WAITERS` was set | the same | `FUTEX_WAKE` all on `round` | |
//! | load | anyone that waits, or asks | `round` | as *check arrivals* |
//! | probe, before the first sleep and in slices | anyone that waits | the `claim` of each seat that has not arrived | see [`crate::protocol::claim_word`] |
//! | leave | the owner of the seat | its `claim`, free or with `POISON` | release, then the full fence of a check for sleepers |
//! | wake processes that wait for a seat | the same | `left`, see [`eventcount`] | relaxed |
//! | wait for a seat | a process that joins, if all are taken | announces itself in `left` | relaxed, then a full fence |
//! | look for one | the same | every `claim`; takes one that is free | acquire, both |
//! | probe, in slices | the same | every `claim`; takes one whose owner is dead | see [`crate::protocol::claim_word`] |
//!
//! The fence of an arrival pairs with itself: of those that arrive last at the same time, the one whose fence comes last sees
//! every arrival when it checks again, and so nobody sleeps in a round that is complete. An arrival releases what its
//! process did; the process that completes has acquired that from all by checking arrivals, and releases it together; and a
//! load of `round` acquires it. A seat arrives once per round, and for the next one only after it has seen `round` change.
//! So an arrival for this round stays until this round is complete, and the round can be completed only once.
//!
//! Three orderings add nothing to others, and no model could miss them:
//!
//! - A process that tries to complete has acquired every arrival just before. So the compare-and-swap need not acquire,
//!   whether it succeeds or finds that another one was faster. It does because then all that pass a round have acquired
//!   `round`, however they passed it, and nobody has to think of the others.
//! - A process that probes an owner need not acquire its id: a dead owner's claim, and all before it, comes with the probe,
//!   and nothing follows from one that is alive. But `POISON` without an id has to be acquired, for no probe follows.
//! - The acquire of the look for a free seat is repeated by taking it.
//!
//! The latter two loads are functions of a claim that others need with the acquire.
//!
//! The fences of leaving and of waiting for a seat pair: either the process that leaves sees that another one waits, or the
//! waiter finds the seat free when it checks again. All waiters are woken and check, so a wake-up is never lost with one that is
//! killed, or whose time is up. `round` would not do for this sleep: only rounds change it, and a seat that is left changes
//! none, so a sleep that begins too late would begin.
//!
//! **The process that completes a round is the leader.** It is whichever finds that all have arrived, which need not be the
//! last to arrive.
//!
//! A participant that is killed before it has arrived is missing; waiters find its `claim` dead, and `arrived` not changed
//! even by the last thing that it did. One that is killed between arriving and completing leaves a round that the others
//! complete at the end of their slices. One that is killed between completing and waking leaves sleepers that check at the
//! end of their slices, and a round whose leader is dead. One that is killed between leaving and waking, or with the seat,
//! leaves others waiting for a seat, which check at the end of their slices.
//!
//! An arrival stays after a timeout and after a death: what was to be done before this round has been done. So a process that
//! takes the seat over has already arrived.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};
use crate::protocol::counter::ONE;
use crate::protocol::eventcount::{self, WAITERS, WaitEnv, WakeAll};

/// The largest number of a round.
const NUMBERS: u32 = u32::MAX / ONE;

/// The seats of a barrier, for a process that joins. Models implement them themselves.
pub(crate) trait SeatTable {
    /// A taken seat, or the reason why none can be taken.
    type Taken;

    /// The eventcount of processes that wait for a seat.
    fn left(&self) -> &AtomicU32;
    fn seats(&self) -> usize;
    /// Whether the seat is free: one load.
    fn is_free(&self, seat: usize) -> bool;
    /// Takes the seat, if it is free or its owner is dead.
    fn take(&self, seat: usize) -> Option<Self::Taken>;
}

/// The words of a barrier, and what is needed from outside. Models implement them themselves.
pub(crate) trait BarrierWords {
    /// The ordering of an arrival. Only mutants change it.
    const ARRIVE: Ordering = Ordering::Release;
    /// The ordering of a load of the others' arrivals. Only mutants change it.
    const LOAD: Ordering = Ordering::Acquire;
    /// The ordering of a load of the round. Only mutants change it.
    const ROUND: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. If not, a fence provides the ordering of `LOAD` and `ROUND`: see [`load`].
    const WRITABLE: bool = true;
    /// The ordering of completing a round. Only mutants change it.
    const COMPLETE: Ordering = Ordering::AcqRel;
    /// Whether the arrival is checked again after a death. Only mutants skip this.
    const RECHECKS: bool = true;

    fn round(&self) -> &AtomicU32;
    fn seats(&self) -> usize;
    /// The word `arrived` of a seat.
    fn arrived(&self, seat: usize) -> &AtomicU32;
    /// Whether a seat's participant is certainly dead. What it did happened before this.
    fn is_dead(&self, seat: usize) -> bool;
    /// The same, but it may have died since an answer that is up to a tick old.
    fn is_known_dead(&self, seat: usize) -> bool {
        self.is_dead(seat)
    }
}

/// The outcome of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundOutcome {
    /// It is complete, and round `next` has begun.
    Passed { next: u32, leader: bool },
    /// The participant of this seat died before it arrived.
    Died { seat: usize },
}

/// The number of the present round.
#[inline]
pub(crate) fn round<M: BarrierWords>(words: &M) -> u32 {
    round_of(load(words.round(), M::ROUND, M::WRITABLE))
}

/// The word `round` when nobody sleeps on it.
pub(crate) const fn at_rest(word: u32) -> u32 {
    word & !WAITERS
}

/// The number of the round in its word.
pub(crate) const fn round_of(word: u32) -> u32 {
    word / ONE
}

/// Whether the word of a seat means that it has arrived in a round.
#[inline]
pub(crate) const fn is_arrival(word: u32, round: u32) -> bool {
    word == round.wrapping_add(1) & NUMBERS
}

/// Whether the seat has arrived in a round.
#[inline]
pub(crate) fn has_arrived<M: BarrierWords>(words: &M, seat: usize, round: u32) -> bool {
    is_arrival(load(words.arrived(seat), M::LOAD, M::WRITABLE), round)
}

/// The first seat that has not arrived in a round.
pub(crate) fn first_missing<M: BarrierWords>(words: &M, round: u32) -> Option<usize> {
    (0..words.seats()).find(|seat| !has_arrived(words, *seat, round))
}

/// Arrives in a round. The wait provides the fence that has to follow.
#[inline]
pub(crate) fn arrive<M: BarrierWords>(words: &M, seat: usize, round: u32) {
    if !has_arrived(words, seat, round) {
        let number = round.wrapping_add(1) & NUMBERS;
        words.arrived(seat).store(number, M::ARRIVE);
    }
}

/// Checks whether the round is complete, and completes it if all have arrived.
pub(crate) fn try_complete<M: BarrierWords>(
    words: &M,
    round: u32,
    waker: &impl WakeAll,
) -> Option<RoundOutcome> {
    let mut seen = load(words.round(), M::ROUND, M::WRITABLE);
    if seen / ONE == round && first_missing(words, round).is_some() {
        return None;
    }
    let next = round.wrapping_add(1) & NUMBERS;
    // Others change the word of a complete round only by announcing themselves, once. Bounded, because a peer could do
    // more.
    for _ in 0..64 {
        if seen / ONE != round {
            return Some(RoundOutcome::Passed {
                next: seen / ONE,
                leader: false,
            });
        }
        match words
            .round()
            .compare_exchange(seen, next * ONE, M::COMPLETE, Ordering::Acquire)
        {
            Ok(_) => {
                if seen & WAITERS != 0 {
                    waker.wake_all(words.round());
                }
                return Some(RoundOutcome::Passed { next, leader: true });
            }
            Err(now) => seen = now,
        }
    }
    None
}

/// Waits until the round, in which the caller has arrived, is complete, or until a missing participant is dead. `None` after
/// the final probe.
///
/// A participant that has been dead for some time is found before the first sleep.
pub(crate) fn wait<M: BarrierWords, W: WaitEnv>(
    words: &M,
    round: u32,
    env: &mut W,
    waker: &impl WakeAll,
) -> Option<RoundOutcome> {
    let missed = |is_dead: fn(&M, usize) -> bool| {
        let mut seats = 0..words.seats();
        seats.find(|seat| {
            !has_arrived(words, *seat, round)
                && is_dead(words, *seat)
                // It may have arrived just before its death.
                && !(M::RECHECKS && has_arrived(words, *seat, round))
        })
    };
    let complete = || try_complete(words, round, waker);
    let probe = |is_dead| {
        let dead = missed(is_dead);
        complete().or_else(|| dead.map(|seat| RoundOutcome::Died { seat }))
    };
    eventcount::spin(env, complete)
        .or_else(|| probe(M::is_known_dead))
        .or_else(|| eventcount::wait_spun(words.round(), env, complete, || probe(M::is_dead)))
}

/// Takes a free seat.
fn take_free<S: SeatTable>(seats: &S) -> Option<S::Taken> {
    let mut free = (0..seats.seats()).filter(|seat| seats.is_free(*seat));
    free.find_map(|seat| seats.take(seat))
}

/// Takes a free seat, or else one whose owner is dead.
pub(crate) fn take<S: SeatTable>(seats: &S) -> Option<S::Taken> {
    take_free(seats).or_else(|| (0..seats.seats()).find_map(|seat| seats.take(seat)))
}

/// Takes a seat, waiting for one. `None` after the final probe.
pub(crate) fn wait_for_seat<S: SeatTable, W: WaitEnv>(seats: &S, env: &mut W) -> Option<S::Taken> {
    eventcount::wait(seats.left(), env, || take_free(seats), || take(seats))
}

/// Wakes the processes that wait for a seat. The caller has just left one.
#[inline]
pub(crate) fn notify_left(left: &AtomicU32, waker: &impl WakeAll) {
    eventcount::notify(left, waker);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn words_of_rounds_and_arrivals_are_those_of_the_format() {
        for (word, rest, round) in [
            (0, 0, 0),
            (1, 0, 0),
            (0b1010, 0b1010, 5),
            (0b1011, 0b1010, 5),
        ] {
            assert_eq!((at_rest(word), round_of(word)), (rest, round), "{word:#b}");
        }
        for (word, round, arrived) in [
            (0, 0, false),
            (1, 0, true),
            (2, 0, false),
            (5, 5, false),
            (6, 5, true),
            (0x7fff_ffff, 0x7fff_fffe, true),
            (0, 0x7fff_ffff, true),
            (0x8000_0000, 0x7fff_ffff, false),
        ] {
            assert_eq!(is_arrival(word, round), arrived, "{word:#x} {round:#x}");
        }
    }
}
