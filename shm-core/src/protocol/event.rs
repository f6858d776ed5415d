//! The event's word.
//!
//! # Synchronization
//!
//! | bits | what |
//! |---|---|
//! | 1 to 31 | the generation: the number of notifications, modulo 2^31 |
//! | 0 | `WAITERS`: a process may be asleep on the word |
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | load | anyone | load | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | notify | anyone | adds one to the generation | release |
//! | wake, if the addition saw `WAITERS` | the same | see [`counter`] | |
//! | wake, unasked | the same, now and then, for read-only waiters | none: `FUTEX_WAKE` | |
//! | wait | anyone | sets `WAITERS`, checks, sleeps; see [`eventcount`] | acquire |
//!
//! A process that checks a condition of its own loads the generation first. If the condition does not hold, its
//! notification belongs to a later generation, and the wait ends with it.
//!
//! A load pairs with every notification that it counts: all are additions, so each continues the release of those
//! before.
//!
//! The crash story is that of [`counter`]: the generation is counted or not, and sleepers check at the end of their slices.

use std::marker::PhantomData;

use crate::access::Access;
use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};
use crate::protocol::counter::{self, ONE, WakeSome};
use crate::protocol::eventcount::{self, WAITERS, WaitEnv};

/// The steps that mutants take in another way.
pub(crate) trait Mutations {
    /// The ordering of a load of the generation.
    const LOAD: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. If not, a fence provides the ordering of `LOAD`: see [`load`].
    const WRITABLE: bool = true;
}

/// The correct protocol, through a mapping of this kind.
#[derive(Debug)]
pub(crate) struct Correct<A>(PhantomData<A>);

impl<A: Access> Mutations for Correct<A> {
    const WRITABLE: bool = A::WRITABLE;
}

/// The generation.
#[inline(always)]
pub(crate) fn generation<S: Mutations>(word: &AtomicU32) -> u32 {
    load(word, S::LOAD, S::WRITABLE) / ONE
}

/// Counts a notification, and wakes one waiter.
#[inline(always)]
pub(crate) fn notify_one<W: WakeSome>(word: &AtomicU32, waker: &W) {
    if word.fetch_add(ONE, W::COUNT) & WAITERS != 0 {
        counter::wake_some(word, WAITERS, 1, waker);
    } else if waker.wakes_unasked(word) {
        // The addition has changed the word, so no waiter that has seen it before falls asleep any more.
        waker.wake_up_to(word, 1);
    }
}

/// Counts a notification, and wakes all waiters.
#[inline(always)]
pub(crate) fn notify_all<W: WakeSome>(word: &AtomicU32, waker: &W) {
    if word.fetch_add(ONE, W::COUNT) & WAITERS != 0 {
        counter::wake_all(word, WAITERS, waker);
    } else if waker.wakes_unasked(word) {
        waker.wake_all(word);
    }
}

/// Waits until the generation is not `seen`, and returns it. `None` after the final probe.
pub(crate) fn wait<S: Mutations, W: WaitEnv>(
    word: &AtomicU32,
    seen: u32,
    env: &mut W,
) -> Option<u32> {
    let look = || Some(generation::<S>(word)).filter(|generation| *generation != seen);
    eventcount::wait(word, env, look, look)
}

/// Successive waits. Models implement them themselves.
pub(crate) trait WaitRounds {
    /// Whether the generation is loaded before the check. Only mutants load it afterwards.
    const READS_FIRST: bool = true;

    /// The environment of one wait.
    type Env: WaitEnv;

    /// The next wait. `None` when the time is up.
    fn next(&mut self) -> Option<Self::Env>;
}

/// Waits until `look` returns something: at once, after a notification, or at the end of a slice or of all waits.
pub(crate) fn wait_until<S: Mutations, W: WaitRounds, R>(
    word: &AtomicU32,
    waits: &mut W,
    mut look: impl FnMut() -> Option<R>,
) -> Option<R> {
    loop {
        let before = generation::<S>(word);
        if let Some(found) = look() {
            return Some(found);
        }
        let seen = if W::READS_FIRST {
            before
        } else {
            generation::<S>(word)
        };
        // Notifications without end must not prolong the wait.
        let Some(mut env) = waits.next() else {
            return look();
        };
        match wait_or_check::<S, _, _>(word, seen, &mut env, &mut look)? {
            WaitOutcome::Found(found) => return Some(found),
            WaitOutcome::Notified => {}
        }
    }
}

/// Waits until the generation is not `seen`, or until `look` returns something at the end of a slice or of the wait.
pub(crate) fn wait_or_check<S: Mutations, W: WaitEnv, R>(
    word: &AtomicU32,
    seen: u32,
    env: &mut W,
    mut look: impl FnMut() -> Option<R>,
) -> Option<WaitOutcome<R>> {
    let notified = || (generation::<S>(word) != seen).then_some(WaitOutcome::Notified);
    eventcount::wait(word, env, notified, || {
        notified().or_else(|| look().map(WaitOutcome::Found))
    })
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome<R> {
    /// A notification.
    Notified,
    /// The condition holds, though nobody has notified.
    Found(R),
}
