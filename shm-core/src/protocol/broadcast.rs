//! The steps of a `Broadcast` on its words.
//!
//! # Synchronization
//!
//! | word | what |
//! |---|---|
//! | `claim` | the sender: [`crate::protocol::claim_word`] |
//! | `joined` | 1 once there has been a sender |
//! | `arrived` | the eventcount of receivers that wait: [`crate::protocol::eventcount`] |
//! | `reserved` | message `reserved - 1` is being written, or is complete; so message `m` may be gone if `m + N < reserved` |
//! | `tail` | the number of messages so far; number `m`, counted from 0, is in slot `m % N` of `N` slots |
//!
//! A receiver's cursor, the number of the next message that it gets, is private to the receiver.
//!
//! | step | by | what | ordering |
//! |---|---|---|---|
//! | join | a new sender | claim, then `joined` = 1, then wake | acquire, then release, then a full fence |
//! | begin | the same | `p` from `tail` | acquire; relaxed would do, as the claim's acquire came before |
//! | count | anyone | `tail` | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | begin with the oldest | a new receiver | `tail`, then `reserved`; the cursor is `reserved - N`, and not above `tail` | acquire, then relaxed |
//! | reserve | sender | `reserved` = `p + 1` | relaxed, then a release fence |
//! | write | sender | slot `p % N` | relaxed, leaf by leaf |
//! | publish | sender | `tail` = `p + 1` | release, then a full fence unless the process is registered |
//! | wake | sender | check for sleepers on `arrived` | as the eventcount says |
//! | check | receiver, at cursor `c` | `tail`: more than `c`? | as *count* |
//! | copy | receiver | slot `c % N` | relaxed, leaf by leaf |
//! | validate | receiver | `r` from `reserved`; whole if `r - c <= N`, else messages `c` to `r - N - 1` are lost | acquire fence, then relaxed |
//! | leave | sender | release of `claim`, then wake | release, then a full fence |
//! | is it gone? | receiver | `joined` is 1, and after that `claim` is free, or its owner dead | acquire on both, or the probe |
//! | drained | receiver that sees it gone | `tail` once more: still `c`? | acquire |
//! | is there another? | receiver in a wait for one | `tail`: more than `c`? Or `claim`: held by another than the dead one? | acquire on both |
//!
//! *Publish* pairs with *check*: the receiver sees all of the message, and all that its sender did before. *Reserve* pairs
//! with the fence of *validate*: a receiver that has seen any part of message `c + N`, which is written to the same slot,
//! finds `r` to be `c + N + 1` at least. *Leave* pairs with *is it gone?*: *drained* sees what was sent before. *Join* pairs
//! with it too: [`liveness`] says how.
//!
//! Receivers of a sender whose process is not registered would see what was sent before *leave* even without its release, as
//! each publication ends with a full fence. The release is there for registered ones, and for what `liveness` says of any role.
//!
//! *Begin* and a receiver's first cursor only need a number, and the claim or the next *check* orders what comes after. The
//! acquire is for the other callers of *count*: a receiver that loads `reserved` next, to begin with the oldest message, and
//! programs that take a count or a message as a sign that what its sender did before is done. The full fence of *join* would
//! make up for a claim that did not acquire; the claim does, so that beginning does not depend on the wake-up.
//!
//! # Crash story
//!
//! | killed | what is left | what others see |
//! |---|---|---|
//! | as the sender, between reserving and publishing | `reserved` = `tail + 1`, a slot that is half written, the claim | the message in that slot is lost to receivers that have not got it yet; the half is never seen, as `tail` does not count it |
//! | as the sender, anywhere else | the claim | all messages that were published |
//! | as a new sender, before `joined` is 1 | the claim | a dead sender |
//! | before waking | sleepers that nobody wakes | they check within one slice of sleep |
//! | as a receiver | nothing, except for a flag of the eventcount | no change |
//!
//! The next sender begins at `tail`, so it reserves the same message again and writes the same slot anew; `reserved`
//! already has the value that it writes. There is never anything to repair.
//!
//! # A peer that writes anything anywhere
//!
//! A slot's number is a remainder, and each call of a receiver checks once: it returns a wrong message, or a wrong number of
//! lost ones, or none, and has no loop that a word could keep going.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::access::{Access, ReadWrite};
use crate::primitive::Ordering;
use crate::primitive::model::{self, AtomicU32, AtomicU64, CommitOrder, fence};
use crate::protocol::eventcount::{self, WaitEnv};
use crate::protocol::liveness::{self, PeerState, PeerWatch};

/// The words that both sides load for every message, together on a cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Counters {
    pub(crate) reserved: AtomicU64,
    pub(crate) tail: AtomicU64,
}

/// The steps that mutants take in another way.
pub(crate) trait Mutations {
    /// The ordering of a load of `tail`.
    const LOAD: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. If not, a fence provides the ordering of `LOAD`: see [`model::load`].
    const WRITABLE: bool = true;
    /// How many messages more than `N` a receiver takes to be in the slots.
    const EXTRA_SLOTS: u64 = 0;
    /// Whether a receiver checks once more after it has seen that the sender is gone.
    const RECHECKS: bool = true;

    /// Whether the sender has left.
    #[inline(always)]
    fn has_left(origin: &impl PeerState) -> bool {
        liveness::has_left(origin)
    }

    /// Called before the slot changes.
    #[inline(always)]
    fn reserve(reserved: &AtomicU64, value: u64) {
        reserved.store(value, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// Publishes the message.
    #[inline(always)]
    fn publish(tail: &AtomicU64, value: u64, order: CommitOrder) {
        model::publish(tail, value, order);
    }

    /// Called after the copy, before the validation.
    #[inline(always)]
    fn copied() {
        fence(Ordering::Acquire);
    }
}

/// The correct protocol, through a mapping of this kind.
#[derive(Debug)]
pub(crate) struct Correct<A = ReadWrite>(PhantomData<A>);

impl<A: Access> Mutations for Correct<A> {
    const WRITABLE: bool = A::WRITABLE;
}

/// The result of one check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SlotRead<R> {
    /// There is no new message.
    Empty,
    /// This many messages were overwritten. The cursor is at the oldest that may still be there.
    Lost(u64),
    /// The next message; the cursor is past it.
    Message(R),
}

#[inline(always)]
fn slot(number: u64, slots: usize) -> usize {
    (number % slots as u64) as usize
}

/// The number of messages so far: where a new sender begins, and a receiver that wants only new messages.
#[inline(always)]
pub(crate) fn tail<S: Mutations>(counters: &Counters) -> u64 {
    model::load(&counters.tail, S::LOAD, S::WRITABLE)
}

/// Where a receiver begins that wants all available messages.
pub(crate) fn oldest<S: Mutations>(counters: &Counters, slots: usize) -> u64 {
    let tail = tail::<S>(counters);
    // Not less than `tail`, by its acquire, so that the cursor is not further behind than there are slots.
    let reserved = counters.reserved.load(Ordering::Relaxed);
    reserved.saturating_sub(slots as u64).min(tail)
}

/// Sends message `number`, which `write` writes into a slot. The caller holds the claim, and checks for sleepers next, in the
/// `order` that it passes. If `write` returns an error or panics, nothing is sent, as if the sender had died: the message
/// that was in the slot is lost, and the next one is already reserved.
#[inline(always)]
pub(crate) fn send<S: Mutations, R, E>(
    counters: &Counters,
    slots: usize,
    number: u64,
    order: CommitOrder,
    write: impl FnOnce(usize) -> Result<R, E>,
) -> Result<R, E> {
    let next = number.wrapping_add(1);
    S::reserve(&counters.reserved, next);
    let result = write(slot(number, slots))?;
    S::publish(&counters.tail, next, order);
    Ok(result)
}

/// Checks for the message at the cursor, and lets `copy` copy it out of its slot.
#[inline(always)]
pub(crate) fn receive<S: Mutations, R>(
    counters: &Counters,
    slots: usize,
    cursor: &mut u64,
    copy: impl FnOnce(usize) -> R,
) -> SlotRead<R> {
    let tail = tail::<S>(counters);
    let there = tail.wrapping_sub(*cursor);
    if there.cast_signed() <= 0 {
        return SlotRead::Empty;
    }
    let slots_there = slots as u64 + S::EXTRA_SLOTS;
    // A message that is certainly gone is not copied.
    let result = (there <= slots_there).then(|| copy(slot(*cursor, slots)));
    S::copied();
    let reserved = counters.reserved.load(Ordering::Relaxed);
    let begun = reserved.wrapping_sub(*cursor);
    match result {
        Some(result) if begun <= slots_there => {
            *cursor = cursor.wrapping_add(1);
            SlotRead::Message(result)
        }
        _ => {
            // With a correct sender, `reserved` is at least `tail`.
            let lost = begun.max(there).wrapping_sub(slots as u64);
            *cursor = cursor.wrapping_add(lost);
            SlotRead::Lost(lost)
        }
    }
}

/// The result of a receive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecvOutcome<R> {
    /// The next message.
    Message(R),
    /// This many messages were overwritten.
    Lost(u64),
    /// There are no more messages, and the sender has left or died.
    Gone,
}

/// [`receive`]s, or reports that `sender` is gone. Probes whether it is dead only if `probing`. Without a `sender` to watch, the
/// receiver waits for the next one.
#[inline(always)]
pub(crate) fn poll<S: Mutations, R>(
    counters: &Counters,
    slots: usize,
    cursor: &Cell<u64>,
    sender: Option<&PeerWatch<'_, impl PeerState>>,
    probing: bool,
    copy: impl Fn(usize) -> R,
) -> Option<RecvOutcome<R>> {
    let receive = || {
        let mut at = cursor.get();
        let found = receive::<S, R>(counters, slots, &mut at, &copy);
        cursor.set(at);
        match found {
            SlotRead::Message(message) => Some(RecvOutcome::Message(message)),
            SlotRead::Lost(count) => Some(RecvOutcome::Lost(count)),
            SlotRead::Empty => None,
        }
    };
    if let Some(outcome) = receive() {
        return Some(outcome);
    }
    if sender.is_some_and(|sender| sender.is_gone(S::has_left) || (probing && sender.is_dead())) {
        // It may have sent something between the check and its end.
        let last = if S::RECHECKS { receive() } else { None };
        return Some(last.unwrap_or(RecvOutcome::Gone));
    }
    None
}

/// Waits until there is a result, as of [`poll`]. `None` after the final probe.
pub(crate) fn wait<S: Mutations, W: WaitEnv, R>(
    counters: &Counters,
    slots: usize,
    cursor: &Cell<u64>,
    sender: Option<&PeerWatch<'_, impl PeerState>>,
    (arrived, env): (&AtomicU32, &mut W),
    copy: impl Fn(usize) -> R,
) -> Option<RecvOutcome<R>> {
    let poll = |probing| poll::<S, R>(counters, slots, cursor, sender, probing, &copy);
    eventcount::wait(arrived, env, || poll(false), || poll(true))
}

/// Waits until there is a message at the cursor, or a sender that is not known to be dead. `false` after the final probe.
pub(crate) fn wait_for_sender<S: Mutations, W: WaitEnv>(
    counters: &Counters,
    cursor: u64,
    sender: &PeerWatch<'_, impl PeerState>,
    arrived: &AtomicU32,
    env: &mut W,
) -> bool {
    let ready = || {
        let there = tail::<S>(counters).wrapping_sub(cursor).cast_signed() > 0;
        (there || sender.is_present()).then_some(())
    };
    // No probe is needed: `ready` probes each new sender itself.
    eventcount::wait(arrived, env, ready, || None).is_some()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A peer wrote `tail`, so `reserved` is not at least as large.
    #[test]
    fn a_tail_too_far_ahead_is_lag_and_not_a_message() {
        let counters = Counters {
            reserved: AtomicU64::new(1),
            tail: AtomicU64::new(9),
        };
        let mut cursor = 0;
        let found = receive::<Correct, ()>(&counters, 4, &mut cursor, |_| panic!("copied"));
        assert_eq!((found, cursor), (SlotRead::Lost(5), 5));
        let found = receive::<Correct, _>(&counters, 4, &mut cursor, |slot| slot);
        // `reserved` is behind the cursor now, as if it had wrapped.
        assert!(matches!(found, SlotRead::Lost(_)), "{found:?}");
    }
}
