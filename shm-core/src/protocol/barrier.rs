//! The barrier's words.
//!
//! # Synchronization
//!
//! | word | what |
//! |---|---|
//! | `round` | an eventcount: bits 1 to 31 are the number of the round that is going on, modulo 2^31; bit 0 is `WAITERS` |
//! | `left` | the eventcount of those who wait for a seat: [`eventcount`] |
//! | `claim`, one a seat | who takes part; see [`crate::protocol::claim_word`] |
//! | `arrived`, one a seat | the number behind that of the last round in which this seat has arrived, modulo 2^31 |
//!
//! | step | by | on | ordering |
//! |---|---|---|---|
//! | arrive | who has the seat | `arrived` = the round's number + 1 | release; then the full fence of an announcement, see [`eventcount`] |
//! | look around | anyone who waits, or asks | every `arrived` | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | complete, if all have arrived | the same | `round`, by compare-and-swap from this round to the next, clearing `WAITERS` | acquire and release |
//! | wake, if `WAITERS` was set | the same | `FUTEX_WAKE` all on `round` | |
//! | look | anyone who waits, or asks | `round` | as *look around* |
//! | probe, in slices | anyone who waits | the `claim` of each seat that has not arrived | see [`crate::protocol::claim_word`] |
//! | leave | who has the seat | its `claim`, free or with `POISON` | release, then the full fence of a look for sleepers |
//! | wake who waits for a seat | the same | `left`, see [`eventcount`] | relaxed |
//! | wait for a seat | who joins, if all are taken | announces itself in `left` | relaxed, then a full fence |
//! | look for one | the same | every `claim`; takes one that is free | acquire, both |
//! | probe, in slices | the same | every `claim`; takes one whose owner is dead | see [`crate::protocol::claim_word`] |
//!
//! The fence of an arrival has itself as partner: of those who arrive last at the same time, the one whose fence comes last sees
//! every arrival when it looks again, and so nobody sleeps in a round that is complete. Who arrives releases what it did, who
//! completes has acquired that from all by looking around and releases it together, and who looks acquires it. A seat arrives
//! once a round, and for the next one only after it has seen `round` change. So an arrival for this round stays until this
//! round is complete, and the round can be completed only once.
//!
//! Three orderings add nothing to others, and no model could miss them. Who tries to complete has acquired every arrival
//! just before. So the compare-and-swap need not acquire, whether it succeeds or finds that another one was faster; it does
//! because then all who pass a round have acquired `round`, however they passed it, and nobody has to think of the others.
//! Who asks whether an owner is dead need not acquire its id: a dead one's claim, and all before it, comes with the probe,
//! and of one that lives nothing follows. But `POISON` without an id has to be acquired, for no probe follows. And the
//! acquire of the look for a free seat is done again by taking it. These two looks are made by functions of a claim that
//! others need with the acquire.
//!
//! The fences of leaving and of waiting for a seat are partners: either who leaves sees that somebody waits, or who waits finds
//! the seat free when it looks again. Everybody who waits is woken and looks, so a wake-up is never lost with one who is killed,
//! or has not the time any more. `round` could not be slept on for this: what moves it is the rounds, and a seat that is left
//! moves none, so a sleep that begins too late would begin.
//!
//! **Who completes is the leader.** It is whoever finds that all have arrived, which need not be the last to arrive.
//!
//! Killed before it has arrived, a participant is missed; who waits finds its `claim` dead, and `arrived` not changed even
//! by the last thing that it did. Killed between arriving and completing, it leaves a round that the others complete at the
//! end of their slices. Killed between completing and waking, it leaves sleepers that look at the end of their slices, and
//! a round without a leader that lives. Killed between leaving and waking, or with the seat, it leaves others waiting for a seat,
//! who look at the end of their slices.
//!
//! An arrival stays after a timeout and after a death: what was to be done before this round has been done. So who takes
//! the seat over has arrived already.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};
use crate::protocol::counter::ONE;
use crate::protocol::eventcount::{self, WAITERS, WaitEnv, WakeAll};

/// The numbers that rounds have.
const NUMBERS: u32 = u32::MAX / ONE;

/// The seats of a barrier as one sees them who joins. The model has its own.
pub(crate) trait SeatTable {
    /// A seat that was taken, or why none can be.
    type Taken;

    /// The eventcount of those who wait for a seat.
    fn left(&self) -> &AtomicU32;
    fn seats(&self) -> usize;
    /// Whether nobody has the seat: one look.
    fn is_free(&self, seat: usize) -> bool;
    /// Takes the seat, if nobody has it or its owner is dead.
    fn take(&self, seat: usize) -> Option<Self::Taken>;
}

/// The words of a barrier, and what is needed from outside. The model has its own.
pub(crate) trait BarrierWords {
    /// The ordering of an arrival. Only a model that is to fail has another.
    const ARRIVE: Ordering = Ordering::Release;
    /// The ordering of a look at the others' arrivals. Only a model that is to fail has another.
    const LOAD: Ordering = Ordering::Acquire;
    /// The ordering of a look at the round. Only a model that is to fail has another.
    const ROUND: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. Where not, a fence does what `LOAD` and `ROUND` say: see [`load`].
    const WRITABLE: bool = true;
    /// The ordering of completing a round. Only a model that is to fail has another.
    const COMPLETE: Ordering = Ordering::AcqRel;
    /// Whether a death is looked at once more. Only a model that is to fail does not.
    const RECHECKS: bool = true;

    fn round(&self) -> &AtomicU32;
    fn seats(&self) -> usize;
    /// The arrivals of one of the seats.
    fn arrived(&self, seat: usize) -> &AtomicU32;
    /// Whether a seat's participant is dead for sure. What it did before happened before this.
    fn is_dead(&self, seat: usize) -> bool;
}

/// What has become of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundOutcome {
    /// It is complete, and this one is going on.
    Passed { next: u32, leader: bool },
    /// This seat's participant died before it arrived.
    Died { seat: usize },
}

/// The number of the round that is going on.
#[inline]
pub(crate) fn round<M: BarrierWords>(words: &M) -> u32 {
    load(words.round(), M::ROUND, M::WRITABLE) / ONE
}

/// Whether the seat has arrived in a round.
#[inline]
pub(crate) fn has_arrived<M: BarrierWords>(words: &M, seat: usize, round: u32) -> bool {
    load(words.arrived(seat), M::LOAD, M::WRITABLE) == round.wrapping_add(1) & NUMBERS
}

/// Arrives in a round. Waiting for it brings the fence that has to follow.
#[inline]
pub(crate) fn arrive<M: BarrierWords>(words: &M, seat: usize, round: u32) {
    if !has_arrived(words, seat, round) {
        let number = round.wrapping_add(1) & NUMBERS;
        words.arrived(seat).store(number, M::ARRIVE);
    }
}

/// Sees whether the round is complete, and completes it if all have arrived.
pub(crate) fn try_complete<M: BarrierWords>(
    words: &M,
    round: u32,
    waker: &impl WakeAll,
) -> Option<RoundOutcome> {
    let mut seen = load(words.round(), M::ROUND, M::WRITABLE);
    if seen / ONE == round && !(0..words.seats()).all(|seat| has_arrived(words, seat, round)) {
        return None;
    }
    let next = round.wrapping_add(1) & NUMBERS;
    // Others change the word of a round that is complete only by announcing themselves, once. A peer that does more
    // should not hold this up for ever.
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

/// Waits until the round, in which the caller has arrived, is complete or somebody who is missed is dead. `None` when the
/// final probe has come before.
pub(crate) fn wait<M: BarrierWords, W: WaitEnv>(
    words: &M,
    round: u32,
    env: &mut W,
    waker: &impl WakeAll,
) -> Option<RoundOutcome> {
    let missed = || {
        let mut seats = 0..words.seats();
        seats.find(|seat| {
            !has_arrived(words, *seat, round)
                && words.is_dead(*seat)
                // It may have arrived just before it died.
                && !(M::RECHECKS && has_arrived(words, *seat, round))
        })
    };
    let probe = || {
        let dead = missed();
        try_complete(words, round, waker).or_else(|| dead.map(|seat| RoundOutcome::Died { seat }))
    };
    eventcount::wait(
        words.round(),
        env,
        || try_complete(words, round, waker),
        probe,
    )
}

/// Takes a seat that is free.
fn take_free<S: SeatTable>(seats: &S) -> Option<S::Taken> {
    let mut free = (0..seats.seats()).filter(|seat| seats.is_free(*seat));
    free.find_map(|seat| seats.take(seat))
}

/// Takes a seat that is free, or else one whose owner is dead.
pub(crate) fn take<S: SeatTable>(seats: &S) -> Option<S::Taken> {
    take_free(seats).or_else(|| (0..seats.seats()).find_map(|seat| seats.take(seat)))
}

/// Takes a seat, waiting for one. `None` when the final probe has come before.
pub(crate) fn wait_for_seat<S: SeatTable, W: WaitEnv>(seats: &S, env: &mut W) -> Option<S::Taken> {
    eventcount::wait(seats.left(), env, || take_free(seats), || take(seats))
}

/// Tells those who wait for a seat that one was left. For who has just left it.
#[inline]
pub(crate) fn notify_left(left: &AtomicU32, waker: &impl WakeAll) {
    eventcount::notify(left, waker);
}
