//! The two counters of a ring, and how each end waits for the other.
//!
//! # Synchronization
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | `tail` | the sender | messages ever committed |
//! | `head` | the receiver | messages ever received |
//! | `deliveries` | the receiver | the last message that it handled in place, and how often it began to |
//! | `data` | waiters and wakers | the eventcount on which the receiver sleeps |
//! | `room` | waiters and wakers | the eventcount on which the sender sleeps |
//!
//! Message number `n` is in slot `n % N`. The slots from `head` up to `tail` belong to the receiver, all others to the
//! sender. The counters have 64 bits and only grow, so they never wrap.
//!
//! | step | by | how | ordering |
//! |---|---|---|---|
//! | is there room? | the sender | `tail - head < N`, with the cached `head`; if not, it loads `head` | acquire, then a release fence |
//! | write | the sender | the message into slot `tail % N` | relaxed |
//! | commit | the sender | `tail + 1` into `tail` | release, then a full fence unless the process is registered |
//! | wake | the sender | as [`eventcount`] says, on `data` | |
//! | is there a message? | the receiver | `head < tail`, with the cached `tail`; if not, it loads `tail` | acquire |
//! | read | the receiver | the message from slot `head % N` | relaxed |
//! | count as received | the receiver | `head + 1` into `head` | as *commit* |
//! | wake | the receiver | as [`eventcount`] says, on `room` | |
//! | count the delivery | the receiver, before it handles message `head` in place | the number and the count into `deliveries` | relaxed, then a release fence |
//! | is the peer gone? | either, having nothing to do | as [`liveness`] says | acquire |
//! | recheck | the same, if so | loads the peer's counter | acquire |
//! | begin | a process that has claimed an end | its own counter, once | relaxed |
//! | look | a process that has neither end, at message `n` | `tail`: more than `n`? | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | copy | the same | slot `n % N` | relaxed, leaf by leaf |
//! | validate | the same | whole if `head <= n` | acquire fence, then relaxed |
//!
//! - The release of `tail` pairs with the receiver's load: a receiver that sees a message counted sees all of it. The release
//!   of `head` pairs with the sender's load: the sender never writes to a slot that is still being read.
//! - The full fences are those of the eventcount: either the end that commits sees that the peer is about to sleep, or the
//!   peer sees the commit. They are needed even while the peer is awake, since it may be just about to announce itself.
//!   Several messages in one step share one fence. An end whose process is registered needs none: the peer interrupts it before
//!   it sleeps.
//! - Only the owner of an end's claim writes its counter. A new owner begins with the value of the word, and sees all that
//!   the previous owner did: by release and acquire of the claim, or by the probe, which the kernel orders after the last
//!   access of the dead. So it loads the word relaxed, and `deliveries` too. The full fence of its wake-up would do in place of the acquire; but
//!   an end must not depend on whom it wakes.
//! - Recheck: what the peer committed just before it left or died is only certain to be seen now, by the release of its claim
//!   or by the probe. (Where each commit ends with a full fence, it would be without the release.)
//!
//! **Patience.** A sender that waits for room again and again would be woken for each slot, to fill it and go back to sleep. So one
//! that has slept twice within as many messages as there are slots is patient: it announces that, and sleeps for a millisecond at
//! most. A receiver that finds the announcement wakes it once half of the slots are free, which they are when the ring is empty.
//! If the receiver stops before that, for instance because it waits for what the sender would do next, the sender finds the free
//! slots when its millisecond is over. If there are none, it takes its announcement back and waits for the first one. It is the
//! only one that may sleep on `room`, and takes back what a dead predecessor has announced.
//!
//! A look takes no claim and writes nothing. The release fence of *is there room?* pairs with the fence of *validate*: a process
//! that has seen any part of message `n + N`, which is written to the same slot, finds `head` to be more than `n`.
//!
//! An end that waits for the next peer in any case leaves out the last two questions, and sleeps until its counter changes.
//!
//! **Killed** before its commit, a sender leaves a slot with half a message, which is not counted, and which its successor
//! writes anew. Killed after it and before it has woken, it leaves a receiver asleep for the rest of a slice. A receiver
//! that is killed before it counts a message as received leaves it to its successor; killed after that, it takes the message
//! with it. The release fence orders its stores: if anything that it stored while it handled the message is there, so is the
//! delivery.
//!
//! **A peer** can write anything into the counters. Each end keeps its own counter private, and treats an impossible value of
//! the other as "nothing to do": for the sender the ring is full, for the receiver empty. A slot's number is a remainder, and
//! so always valid.

use std::marker::PhantomData;
use std::ops::Range;

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, AtomicU64, CommitOrder, fence, load, publish};
use crate::protocol::eventcount::{
    self, PATIENT, WaitEnv, WakeAll, check_for_sleepers, notify_unless,
};
use crate::protocol::liveness::{self, PeerState, PeerWatch};
use crate::protocol::padded::Padded;

/// The words in shared memory.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Counters {
    pub(crate) tail: Padded<AtomicU64>,
    pub(crate) head: Padded<AtomicU64>,
    pub(crate) data: Padded<AtomicU32>,
    pub(crate) room: Padded<AtomicU32>,
}

/// The bits of `deliveries` that hold the count. The others hold the number of the message, without its highest bits: two
/// messages with the same are 2^48 messages apart, and the count is wrong only if none between them was handled in place.
const COUNT_BITS: u32 = 16;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Counts that message `number` is about to be handled in place, and returns how often it was by now: 1 the first time, and at
/// most [`COUNT`]. The caller holds the receiver's end.
#[inline]
pub(crate) fn count_delivery(deliveries: &AtomicU64, number: u64) -> u32 {
    let number = number << COUNT_BITS;
    // Ordered by the claim.
    let seen = deliveries.load(Ordering::Relaxed);
    let earlier = if seen & !COUNT == number {
        seen & COUNT
    } else {
        0
    };
    let count = (earlier + 1).min(COUNT);
    deliveries.store(number | count, Ordering::Relaxed);
    fence(Ordering::Release);
    count as u32
}

/// The number of the message that was handled in place last, without its highest bits, and how often that began: the parts of
/// the word `deliveries`.
pub(crate) fn delivered(word: u64) -> (u64, u64) {
    (word >> COUNT_BITS, word & COUNT)
}

/// One of the two ends: which words it uses.
pub(crate) trait Side {
    /// The counter that this end writes.
    fn own(counters: &Counters) -> &AtomicU64;
    /// The counter that the other end writes.
    fn peer(counters: &Counters) -> &AtomicU64;
    /// The eventcount on which this end sleeps.
    fn wait_word(counters: &Counters) -> &AtomicU32;
    /// The eventcount on which the other end sleeps.
    fn peer_wait_word(counters: &Counters) -> &AtomicU32;
    /// How many slots this end may use; 0 if the counters are impossible.
    fn ready(mine: u64, theirs: u64, capacity: u64) -> u64;
    /// Whether this end may use a slot, in one comparison.
    fn is_ready(mine: u64, theirs: u64, capacity: u64) -> bool;

    /// The bit by which this end announces that it is patient, or 0 if it never is.
    const PATIENCE: u32;
    /// Called after the peer's counter was loaded, before a slot is used.
    fn loaded<S: Mutations>();
    /// Whether a patient peer may sleep on after a commit of this end.
    fn is_early(mine: u64, theirs: u64, capacity: u64) -> bool;
}

/// How many slots have to be free before a receiver wakes a patient sender.
pub(crate) const fn patience(capacity: u64) -> u64 {
    capacity / 2
}

/// The sender's end.
#[derive(Debug)]
pub(crate) struct Sending;

impl Side for Sending {
    #[inline(always)]
    fn own(counters: &Counters) -> &AtomicU64 {
        &counters.tail
    }

    #[inline(always)]
    fn peer(counters: &Counters) -> &AtomicU64 {
        &counters.head
    }

    #[inline(always)]
    fn wait_word(counters: &Counters) -> &AtomicU32 {
        &counters.room
    }

    #[inline(always)]
    fn peer_wait_word(counters: &Counters) -> &AtomicU32 {
        &counters.data
    }

    #[inline(always)]
    fn ready(tail: u64, head: u64, capacity: u64) -> u64 {
        capacity.saturating_sub(tail.wrapping_sub(head))
    }

    #[inline(always)]
    fn is_ready(tail: u64, head: u64, capacity: u64) -> bool {
        tail.wrapping_sub(head) < capacity
    }

    const PATIENCE: u32 = PATIENT;

    #[inline(always)]
    fn loaded<S: Mutations>() {
        S::before_write();
    }

    #[inline(always)]
    fn is_early(_: u64, _: u64, _: u64) -> bool {
        false
    }
}

/// The receiver's end.
#[derive(Debug)]
pub(crate) struct Receiving;

impl Side for Receiving {
    #[inline(always)]
    fn own(counters: &Counters) -> &AtomicU64 {
        &counters.head
    }

    #[inline(always)]
    fn peer(counters: &Counters) -> &AtomicU64 {
        &counters.tail
    }

    #[inline(always)]
    fn wait_word(counters: &Counters) -> &AtomicU32 {
        &counters.data
    }

    #[inline(always)]
    fn peer_wait_word(counters: &Counters) -> &AtomicU32 {
        &counters.room
    }

    #[inline(always)]
    fn ready(head: u64, tail: u64, capacity: u64) -> u64 {
        let there = tail.wrapping_sub(head);
        if there <= capacity { there } else { 0 }
    }

    #[inline(always)]
    fn is_ready(head: u64, tail: u64, capacity: u64) -> bool {
        // If there is nothing, one less is the largest number.
        tail.wrapping_sub(head).wrapping_sub(1) < capacity
    }

    const PATIENCE: u32 = 0;

    #[inline(always)]
    fn loaded<S: Mutations>() {}

    #[inline(always)]
    fn is_early(head: u64, tail: u64, capacity: u64) -> bool {
        Sending::ready(tail, head, capacity) < patience(capacity)
    }
}

/// The steps that mutants take in another way.
pub(crate) trait Mutations {
    /// The ordering of a load of the peer's counter.
    const LOAD: Ordering = Ordering::Acquire;
    /// Whether the peer's counter is loaded once more before it counts as gone.
    const RECHECKS: bool = true;

    /// Records that a process has joined an end.
    #[inline(always)]
    fn mark_joined(joined: &AtomicU32) {
        liveness::mark_joined(joined);
    }

    /// Whether an end was released.
    #[inline(always)]
    fn has_left(seat: &impl PeerState) -> bool {
        liveness::has_left(seat)
    }

    /// Loads the peer's counter, which was `seen` the last time.
    #[inline(always)]
    fn load_peer<R: Side>(counters: &Counters, _seen: u64) -> u64 {
        R::peer(counters).load(Self::LOAD)
    }

    /// Called after the sender has loaded `head`, before it writes to a slot that this has made free.
    #[inline(always)]
    fn before_write() {
        fence(Ordering::Release);
    }

    /// Called after a look has copied a slot, before it loads `head`.
    #[inline(always)]
    fn after_look() {
        fence(Ordering::Acquire);
    }

    /// Whether a patient peer may sleep on.
    #[inline(always)]
    fn is_early<R: Side>(mine: u64, theirs: u64, capacity: u64) -> bool {
        R::is_early(mine, theirs, capacity)
    }

    /// Writes this end's counter.
    #[inline(always)]
    fn publish<R: Side>(counters: &Counters, value: u64, order: CommitOrder) {
        publish(R::own(counters), value, order);
    }
}

/// The correct steps.
#[derive(Debug)]
pub(crate) struct Correct;

impl Mutations for Correct {}

/// What a look at a message finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look<R> {
    /// It has not been sent: this many messages have been.
    NotSent(u64),
    /// It has been received: this many messages have been.
    Received(u64),
    /// The message.
    Message(R),
}

/// Lets `copy` copy message `number` out of its slot, on behalf of a process that has neither end, through any mapping. This writes
/// nothing.
pub(crate) fn look<S: Mutations, R>(
    counters: &Counters,
    capacity: u64,
    number: u64,
    copy: impl FnOnce(usize) -> R,
) -> Look<R> {
    let tail = load(&*counters.tail, S::LOAD, false);
    if tail.wrapping_sub(number).cast_signed() <= 0 {
        return Look::NotSent(tail);
    }
    let result = copy((number % capacity) as usize);
    S::after_look();
    let head = counters.head.load(Ordering::Relaxed);
    if head.wrapping_sub(number).cast_signed() <= 0 {
        Look::Message(result)
    } else {
        Look::Received(head)
    }
}

/// How many messages have been received and sent, for a process that has neither end. They are loaded in this order: `tail` is never
/// behind a `head` that was loaded before.
pub(crate) fn counts<S: Mutations>(counters: &Counters, writable: bool) -> (u64, u64) {
    let head = load(&*counters.head, S::LOAD, writable);
    (head, load(&*counters.tail, S::LOAD, writable))
}

/// The numbers of the messages that were sent and not received, for a process that has neither end.
pub(crate) fn present<S: Mutations>(counters: &Counters, capacity: u64) -> Range<u64> {
    let (head, tail) = counts::<S>(counters, false);
    // A peer may have written anything; and the ends may have gone on meanwhile.
    let tail = tail.max(head);
    tail.saturating_sub(capacity).max(head)..tail
}

/// Why an end has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// The peer may still do something.
    NotYet,
    /// The peer is gone.
    Gone,
}

/// The state of an end. Both numbers are private: a peer cannot change them.
#[derive(Debug)]
pub(crate) struct End<R, S = Correct> {
    mine: u64,
    /// The peer's counter as last loaded; it may be larger by now.
    theirs: u64,
    role: PhantomData<(R, S)>,
}

impl<R: Side, S: Mutations> End<R, S> {
    /// Begins where the last owner of the end stopped. The caller has just claimed it.
    pub(crate) fn resume(counters: &Counters) -> Self {
        Self {
            // Ordered by the claim.
            mine: R::own(counters).load(Ordering::Relaxed),
            theirs: Self::load(counters, 0),
            role: PhantomData,
        }
    }

    /// Loads the peer's counter, which was `seen` the last time, to use slots by it.
    #[inline(always)]
    fn load(counters: &Counters, seen: u64) -> u64 {
        let theirs = S::load_peer::<R>(counters, seen);
        R::loaded::<S>();
        theirs
    }

    /// The number of messages that have passed this end since the ring was made.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.mine
    }

    /// Whether this end may use a slot for certain, without a look at the peer's counter.
    #[inline(always)]
    pub(crate) fn has_slot(&self, capacity: u64) -> bool {
        R::is_ready(self.mine, self.theirs, capacity)
    }

    /// Whether this end may use a slot. The peer's counter is loaded only if its cached value does not suffice.
    #[inline(always)]
    pub(crate) fn finds_slot(&mut self, counters: &Counters, capacity: u64) -> bool {
        if self.has_slot(capacity) {
            return true;
        }
        let theirs = Self::load(counters, self.theirs);
        self.theirs = theirs;
        R::is_ready(self.mine, theirs, capacity)
    }

    /// How many slots this end may use. The peer's counter is loaded only if its cached value does not suffice for
    /// `wanted`.
    #[inline(always)]
    pub(crate) fn ready(&mut self, counters: &Counters, capacity: u64, wanted: u64) -> u64 {
        let ready = R::ready(self.mine, self.theirs, capacity);
        if ready >= wanted {
            return ready;
        }
        self.theirs = Self::load(counters, self.theirs);
        R::ready(self.mine, self.theirs, capacity)
    }

    /// The next slot to use.
    #[inline(always)]
    pub(crate) fn slot(&self, capacity: u64) -> usize {
        (self.mine % capacity) as usize
    }

    /// Hands the next `count` slots, which [`ready`](Self::ready) has reported and the caller has used, to the other end.
    #[inline(always)]
    pub(crate) fn commit<W: WakeAll>(
        &mut self,
        counters: &Counters,
        capacity: u64,
        count: u64,
        waker: W,
    ) {
        self.mine = self.mine.wrapping_add(count);
        S::publish::<R>(counters, self.mine, waker.order());
        if let Some(seen) = check_for_sleepers(R::peer_wait_word(counters), &waker) {
            Self::wake_peer(counters, capacity, self.mine, seen, waker);
        }
    }

    /// Wakes the peer, unless it is patient and it is too early. Its word was `seen`.
    ///
    /// All arguments are plain values, so that they stay in registers until somebody sleeps. A commit that stores to the stack what
    /// this might need is slower: stores wait in one queue, behind those to lines that the peer has just used.
    #[cold]
    #[inline(never)]
    fn wake_peer<W: WakeAll>(counters: &Counters, capacity: u64, mine: u64, seen: u32, waker: W) {
        notify_unless(R::peer_wait_word(counters), seen, &waker, || {
            // An older value of the counter only wakes the peer sooner.
            let theirs = R::peer(counters).load(Ordering::Relaxed);
            S::is_early::<R>(mine, theirs, capacity)
        });
    }

    /// Checks, without waiting, whether there is something to do, or whether the peer is gone. Probes it only if `probing`.
    pub(crate) fn poll(
        &mut self,
        counters: &Counters,
        capacity: u64,
        other: &PeerWatch<'_, impl PeerState>,
        probing: bool,
    ) -> Result<u64, Idle> {
        let gone = other.is_gone(S::has_left) || (probing && other.is_dead());
        match self.ready(counters, capacity, 1) {
            0 if gone => Err(Idle::Gone),
            0 => Err(Idle::NotYet),
            ready => Ok(ready),
        }
    }

    /// Waits until there is something to do, or the peer is gone, or the final probe was made.
    pub(crate) fn wait(
        &mut self,
        counters: &Counters,
        capacity: u64,
        env: &mut impl WaitEnv,
        other: &PeerWatch<'_, impl PeerState>,
    ) -> Result<u64, Idle> {
        // Copies, since both closures use them.
        let (mine, seen) = (self.mine, self.theirs);
        let look = || {
            let theirs = Self::load(counters, seen);
            (R::ready(mine, theirs, capacity) > 0).then_some(theirs)
        };
        let look_again = || {
            let found = if S::RECHECKS { look() } else { None };
            Some(found.ok_or(Idle::Gone))
        };
        let ready = || match look() {
            Some(theirs) => Some(Ok(theirs)),
            None if other.is_gone(S::has_left) => look_again(),
            None => None,
        };
        let probe = || other.is_dead().then(look_again).flatten();
        match eventcount::wait(R::wait_word(counters), env, ready, probe) {
            Some(Ok(theirs)) => {
                self.theirs = theirs;
                Ok(R::ready(mine, theirs, capacity))
            }
            Some(Err(idle)) => Err(idle),
            None => Err(Idle::NotYet),
        }
    }

    /// Waits until there is something to do, whatever happens to the peer: the next one may bring it. `None` at the end of the
    /// wait. Nothing is probed, and departures are not looked for, so an end that waits for the next peer sleeps until that one
    /// joins or commits.
    pub(crate) fn wait_for_work(
        &mut self,
        counters: &Counters,
        capacity: u64,
        env: &mut impl WaitEnv,
    ) -> Option<u64> {
        let (mine, seen) = (self.mine, self.theirs);
        let look = || {
            let theirs = Self::load(counters, seen);
            (R::ready(mine, theirs, capacity) > 0).then_some(theirs)
        };
        self.theirs = eventcount::wait(R::wait_word(counters), env, look, || None)?;
        Some(R::ready(mine, self.theirs, capacity))
    }

    /// Waits until the other end has an owner; or until it had one, which has left something to do where there was nothing.
    /// `false` after the final probe.
    pub(crate) fn wait_for_peer(
        &self,
        counters: &Counters,
        capacity: u64,
        env: &mut impl WaitEnv,
        other: &PeerWatch<'_, impl PeerState>,
    ) -> bool {
        let had_nothing = R::ready(self.mine, self.theirs, capacity) == 0;
        let peer_or_work = || {
            let left_something = || {
                let theirs = S::load_peer::<R>(counters, self.theirs);
                R::ready(self.mine, theirs, capacity) > 0
            };
            (other.is_present() || (had_nothing && left_something())).then_some(())
        };
        // No probe is needed: `peer_or_work` probes each new peer itself.
        eventcount::wait(R::wait_word(counters), env, peer_or_work, || None).is_some()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::protocol::wait::WaitStep;

    /// A kernel in which something happens during each sleep, which ends it. Counts the sleeps.
    struct Kernel<'a, E> {
        events: E,
        counters: &'a Counters,
        steps: usize,
        sleeps: usize,
    }

    impl<E: Iterator<Item = fn(&Counters)>> WaitEnv for Kernel<'_, E> {
        fn spins(&self) -> u32 {
            0
        }

        fn next_step(&mut self) -> WaitStep {
            assert_eq!(self.steps, self.sleeps, "it has not slept");
            self.steps += 1;
            WaitStep::Sleep
        }

        fn sleep(&mut self, word: &AtomicU32, seen: u32) {
            assert!(std::ptr::eq(word, &*self.counters.data));
            assert_eq!(word.load(Ordering::Relaxed), seen);
            self.sleeps += 1;
            let happens = self.events.next().expect("it waits for something else");
            happens(self.counters);
        }
    }

    fn notify(counters: &Counters) {
        struct Woken;
        impl WakeAll for Woken {
            fn wake_all(&self, _: &AtomicU32) {}
        }
        eventcount::notify(&counters.data, &Woken);
    }

    /// Counts wake-ups.
    struct Counted(std::cell::Cell<u32>);

    impl WakeAll for Counted {
        fn wake_all(&self, _: &AtomicU32) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_patient_sender_is_woken_when_half_of_the_slots_are_free() {
        use crate::protocol::eventcount::WAITERS;

        for (capacity, batch, first) in [
            (1, 1, 1),
            (2, 1, 1),
            (4, 1, 2),
            (5, 1, 2),
            (64, 1, 32),
            (64, 7, 5),
            (64, 64, 1),
        ] {
            let counters = Counters {
                // Full, and at the last numbers, as the counters wrap.
                tail: Padded(AtomicU64::new((u64::MAX - 2).wrapping_add(capacity))),
                head: Padded(AtomicU64::new(u64::MAX - 2)),
                data: Padded(AtomicU32::new(0)),
                room: Padded(AtomicU32::new(WAITERS | PATIENT)),
            };
            let woken = Counted(std::cell::Cell::new(0));
            let mut receiver = End::<Receiving>::resume(&counters);
            for commit in 1..=first {
                assert_eq!(woken.0.get(), 0, "{capacity} {batch}");
                receiver.commit(&counters, capacity, batch, &woken);
                assert_eq!(woken.0.get(), u32::from(commit == first), "{capacity}");
            }
            // A wake-up clears both bits and counts.
            assert_eq!(counters.room.load(Ordering::Relaxed), 4, "{capacity}");
            counters.room.store(WAITERS, Ordering::Relaxed);
            receiver.commit(&counters, capacity, 0, &woken);
            assert_eq!(woken.0.get(), 2, "{capacity}: not patient");
        }
    }

    #[test]
    fn deliveries_of_one_message_are_counted_from_1() {
        let word = AtomicU64::new(0);
        // Message 0 of a new ring, all of whose words are zero.
        let counts = [0, 0, 1, 2, 2, 2, 3, u64::MAX, u64::MAX, 0].map(|n| count_delivery(&word, n));
        assert_eq!(counts, [1, 2, 1, 1, 2, 3, 1, 1, 2, 1]);
    }

    #[test]
    fn a_count_of_deliveries_neither_wraps_nor_spills() {
        let word = AtomicU64::new(0);
        let counts = (1..70_000).map(|_| count_delivery(&word, 7));
        assert!(counts.eq((1..70_000).map(|count| count.min(0xffff))));
        assert_eq!(word.load(Ordering::Relaxed), 7 << 16 | 0xffff);
        assert_eq!(count_delivery(&word, 8), 1);
        // The number wraps in the word, 2^48 messages later.
        assert_eq!(count_delivery(&word, 8 + (1 << 48)), 2);
        assert_eq!(count_delivery(&word, 9 + (1 << 48)), 1);
    }

    #[test]
    fn the_word_of_deliveries_has_the_message_and_the_count() {
        let word = AtomicU64::new(0);
        assert_eq!(delivered(0), (0, 0));
        for (number, message, count) in [
            (0, 0, 1),
            (5, 5, 1),
            (5, 5, 2),
            (u64::MAX, (1 << 48) - 1, 1),
        ] {
            count_delivery(&word, number);
            assert_eq!(delivered(word.load(Ordering::Relaxed)), (message, count));
        }
    }

    /// A receiver that waits for the next sender wakes once for each thing that happens, and sleeps in between.
    #[test]
    fn a_wait_for_the_next_peer_does_not_spin() {
        let counters = Counters {
            tail: Padded(AtomicU64::new(0)),
            head: Padded(AtomicU64::new(0)),
            data: Padded(AtomicU32::new(0)),
            room: Padded(AtomicU32::new(0)),
        };
        let mut receiver = End::<Receiving>::resume(&counters);
        // The last sender leaves; one joins and leaves; a signal arrives; another sender joins, and sends two messages.
        let send = |counters: &Counters| {
            publish(&counters.tail, 2, CommitOrder::Fenced);
            notify(counters);
        };
        let events: [fn(&Counters); 6] = [notify, notify, notify, |_| (), notify, send];
        let mut kernel = Kernel {
            events: events.into_iter(),
            counters: &counters,
            steps: 0,
            sleeps: 0,
        };
        let ready = receiver.wait_for_work(&counters, 4, &mut kernel);
        assert_eq!((ready, kernel.sleeps), (Some(2), 6));
    }

    #[test]
    fn counters_too_far_apart_are_no_message_and_no_room() {
        let many = [5, 6, 1 << 63, u64::MAX];
        for there in many {
            // Whatever the numbers, as they wrap.
            for head in [0, 3, u64::MAX - 1] {
                let tail = head.wrapping_add(there);
                assert_eq!(Receiving::ready(head, tail, 4), 0, "{there} of 4");
                assert_eq!(Sending::ready(tail, head, 4), 0, "{there} of 4");
                assert!(!Receiving::is_ready(head, tail, 4), "{there} of 4");
                assert!(!Sending::is_ready(tail, head, 4), "{there} of 4");
            }
        }
        assert_eq!(
            (Receiving::ready(7, 11, 4), Sending::ready(11, 7, 4)),
            (4, 0)
        );
        assert_eq!((Receiving::ready(7, 7, 4), Sending::ready(7, 7, 4)), (0, 4));
        for (head, tail) in [
            (7, 7),
            (7, 8),
            (7, 10),
            (7, 11),
            (u64::MAX, 0),
            (u64::MAX, 3),
        ] {
            let there = Receiving::ready(head, tail, 4) > 0;
            assert_eq!(Receiving::is_ready(head, tail, 4), there, "{head} {tail}");
            let room = Sending::ready(tail, head, 4) > 0;
            assert_eq!(Sending::is_ready(tail, head, 4), room, "{head} {tail}");
        }
    }
}
