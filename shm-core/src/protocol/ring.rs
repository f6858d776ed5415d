//! The two counters of a ring, and how each end waits for the other.
//!
//! # Synchronization
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | `tail` | the sender | messages ever committed |
//! | `head` | the receiver | messages ever received |
//! | `data` | who waits, who wakes | the eventcount on which the receiver sleeps |
//! | `room` | who waits, who wakes | the eventcount on which the sender sleeps |
//!
//! Message number `n` lies in slot `n % N`. The slots from `head` up to `tail` are the receiver's, all others the sender's. The
//! counters are 64 bits and only grow, so they never come round.
//!
//! | step | by | how | ordering |
//! |---|---|---|---|
//! | may I? | the sender | `tail - head < N`, by the `head` that it saw last; if not, it looks | acquire |
//! | write | the sender | the message into slot `tail % N` | relaxed |
//! | commit | the sender | `tail + 1` into `tail` | release, then a full fence |
//! | wake | the sender | as [`eventcount`] says, on `data` | |
//! | is there one? | the receiver | `head < tail`, by the `tail` that it saw last; if not, it looks | acquire |
//! | read | the receiver | the message from slot `head % N` | relaxed |
//! | count as received | the receiver | `head + 1` into `head` | release, then a full fence |
//! | wake | the receiver | as [`eventcount`] says, on `room` | |
//! | is the other gone? | either, having nothing to do | as [`liveness`](super::liveness) says | acquire |
//! | look again | the same, if so | at the other's counter | acquire |
//! | begin | who has claimed an end | its own counter, once | relaxed |
//!
//! - The release of `tail` pairs with the receiver's look at it: who sees a message counted sees all of it. The release of
//!   `head` pairs with the sender's look: nobody writes to a slot that is still being read.
//! - The full fences are those of the eventcount: either who commits sees that the other is about to sleep, or the other
//!   sees the commit. They cannot be left out while the other is awake: there is no telling whether it is not just about to
//!   announce itself. Several messages in one step share one.
//! - Only the owner of an end's claim writes its counter. A new owner begins with what is in the word, and sees all that the
//!   one before did: by release and acquire of the claim, or by the probe, which the kernel orders after the last access of
//!   the dead. So it looks at the word relaxed. The full fence of the wake-up by who has come would do in the
//!   acquire's place; but an end is not to depend on whom it wakes.
//! - Looking again: what the other committed just before it left or died is only certain to be seen now. Every commit
//!   ends with a full fence, so of one who leaves this would be true without the release of its claim, which no model of
//!   a ring could miss; that of `liveness` does.
//!
//! **Killed** before its commit, a sender leaves a slot with half a message in it, which is not counted, and which its successor
//! writes anew. Killed after it and before it has woken, it leaves a receiver asleep for the rest of a slice. A receiver
//! killed before it counts a message as received leaves it to its successor; killed after it, it takes the message along.
//!
//! **A peer** can write anything into the counters. Each end keeps its own counter to itself, and takes another one that cannot be
//! for "nothing to do": the sender for full, the receiver for empty. A slot's number is a remainder, and so always one.

use std::marker::PhantomData;

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, AtomicU64, publish};
use crate::protocol::eventcount::{self, WaitEnv, WakeAll, notify_fenced};
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

/// One of the two ends: which words are whose.
pub(crate) trait Side {
    /// The counter that this end writes.
    fn own(counters: &Counters) -> &AtomicU64;
    /// The counter that the other end writes.
    fn peer(counters: &Counters) -> &AtomicU64;
    /// Where this end sleeps.
    fn wait_word(counters: &Counters) -> &AtomicU32;
    /// Where the other end sleeps.
    fn peer_wait_word(counters: &Counters) -> &AtomicU32;
    /// How many slots are this end's to use. None where the counters are none that can be.
    fn ready(mine: u64, theirs: u64, capacity: u64) -> u64;
}

/// The sender's part.
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
}

/// The receiver's part.
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
}

/// The steps that a model can take wrongly, to see that it is noticed.
pub(crate) trait Mutations {
    /// How the other's counter is looked at.
    const LOAD: Ordering = Ordering::Acquire;
    /// Whether the other's counter is looked at once more before it is taken to be gone.
    const RECHECKS: bool = true;

    /// Notes down that somebody has come to an end.
    #[inline(always)]
    fn mark_joined(joined: &AtomicU32) {
        liveness::mark_joined(joined);
    }

    /// Whether an end was given up.
    #[inline(always)]
    fn has_left(seat: &impl PeerState) -> bool {
        liveness::has_left(seat)
    }

    /// Looks at the other's counter, which was `seen` the last time.
    #[inline(always)]
    fn load_peer<R: Side>(counters: &Counters, _seen: u64) -> u64 {
        R::peer(counters).load(Self::LOAD)
    }

    /// Writes one's own counter.
    #[inline(always)]
    fn publish<R: Side>(counters: &Counters, value: u64) {
        publish(R::own(counters), value);
    }
}

/// The steps as they should be.
#[derive(Debug)]
pub(crate) struct Correct;

impl Mutations for Correct {}

/// Why there is nothing to do for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// The other one has done nothing yet, and may.
    NotYet,
    /// The other one is gone.
    Gone,
}

/// What an end knows. Both numbers are private: a peer cannot change them.
#[derive(Debug)]
pub(crate) struct End<R, S = Correct> {
    mine: u64,
    /// The other's counter as seen last: it has that or more.
    theirs: u64,
    role: PhantomData<(R, S)>,
}

impl<R: Side, S: Mutations> End<R, S> {
    /// Begins where the last owner of the end has ended. For who has just claimed it.
    pub(crate) fn resume(counters: &Counters) -> Self {
        Self {
            // Ordered by the claim.
            mine: R::own(counters).load(Ordering::Relaxed),
            theirs: S::load_peer::<R>(counters, 0),
            role: PhantomData,
        }
    }

    /// Messages that have passed this end since the ring was made.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.mine
    }

    /// How many slots are this end's to use. The other's counter is only looked at where what is known of it does not do
    /// for `wanted`.
    #[inline(always)]
    pub(crate) fn ready(&mut self, counters: &Counters, capacity: u64, wanted: u64) -> u64 {
        let ready = R::ready(self.mine, self.theirs, capacity);
        if ready >= wanted {
            return ready;
        }
        self.theirs = S::load_peer::<R>(counters, self.theirs);
        R::ready(self.mine, self.theirs, capacity)
    }

    /// The slot that is the next one to use.
    #[inline(always)]
    pub(crate) fn slot(&self, capacity: u64) -> usize {
        (self.mine % capacity) as usize
    }

    /// Hands the next `count` slots, of which [`ready`](Self::ready) has told and which were used, to the other end.
    #[inline(always)]
    pub(crate) fn commit(&mut self, counters: &Counters, count: u64, waker: &impl WakeAll) {
        self.mine = self.mine.wrapping_add(count);
        S::publish::<R>(counters, self.mine);
        notify_fenced(R::peer_wait_word(counters), waker);
    }

    /// Looks, without waiting, whether there is something to do, or whether the other is gone. `probing` is whether to
    /// look at its life.
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

    /// Waits until there is something to do, or the other is gone, or the final probe has come.
    pub(crate) fn wait(
        &mut self,
        counters: &Counters,
        capacity: u64,
        env: &mut impl WaitEnv,
        other: &PeerWatch<'_, impl PeerState>,
    ) -> Result<u64, Idle> {
        // A copy, so that the two closures need not share the one that can be changed.
        let (mine, seen) = (self.mine, self.theirs);
        let look = || {
            let theirs = S::load_peer::<R>(counters, seen);
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

    /// Waits until there is somebody at the other end; or until somebody was, and has left something to do where there
    /// was nothing. `false` when the final probe has come without either.
    pub(crate) fn wait_for_peer(
        &self,
        counters: &Counters,
        capacity: u64,
        env: &mut impl WaitEnv,
        other: &PeerWatch<'_, impl PeerState>,
    ) -> bool {
        let had_nothing = R::ready(self.mine, self.theirs, capacity) == 0;
        let has_come = || {
            let left_something = || {
                let theirs = S::load_peer::<R>(counters, self.theirs);
                R::ready(self.mine, theirs, capacity) > 0
            };
            (other.is_present() || (had_nothing && left_something())).then_some(())
        };
        // What a probe tells `has_come` finds out itself, about each one who comes.
        eventcount::wait(R::wait_word(counters), env, has_come, || None).is_some()
    }
}
