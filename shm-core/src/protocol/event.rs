//! The event's word.
//!
//! # Synchronization
//!
//! | bits | what |
//! |---|---|
//! | 1 to 31 | the generation: how often somebody has notified, modulo 2^31 |
//! | 0 | `WAITERS`: somebody may be asleep on the word |
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | look | anyone | load | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | notify | anyone | adds one to the generation | release |
//! | wake, if the addition saw `WAITERS` | the same | see [`counter`] | |
//! | wait | anyone | sets `WAITERS`, looks, sleeps; see [`eventcount`] | acquire |
//!
//! Who looks for something else than a notification takes the generation first and looks after that: what it did not find has
//! not been notified of in this generation, so the notification is another one, and is waited for.
//!
//! A look pairs with every notification whose count it sees: they are all additions, so each continues the release of
//! those before.
//!
//! The crash story is that of [`counter`]: the generation is counted or not, and who sleeps looks at the end of its slice.

use std::marker::PhantomData;

use crate::access::Access;
use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};
use crate::protocol::counter::{self, ONE, WakeSome};
use crate::protocol::eventcount::{self, WAITERS, WaitEnv};

/// The steps of who looks. Only a model that is to fail has others.
pub(crate) trait Mutations {
    /// How the generation is looked at.
    const LOAD: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. Where not, a fence does what `LOAD` says: see [`load`].
    const WRITABLE: bool = true;
}

/// The protocol as it should be, through a mapping of this kind.
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

/// Counts, and wakes one of those who wait.
#[inline(always)]
pub(crate) fn notify_one<W: WakeSome>(word: &AtomicU32, waker: &W) {
    if word.fetch_add(ONE, W::COUNT) & WAITERS != 0 {
        counter::wake_some(word, 1, waker);
    }
}

/// Counts, and wakes all who wait.
#[inline(always)]
pub(crate) fn notify_all<W: WakeSome>(word: &AtomicU32, waker: &W) {
    if word.fetch_add(ONE, W::COUNT) & WAITERS != 0 {
        counter::wake_all(word, waker);
    }
}

/// Waits until the generation is not `seen`, and returns it. `None` when the final probe has come before.
pub(crate) fn wait<S: Mutations, W: WaitEnv>(
    word: &AtomicU32,
    seen: u32,
    env: &mut W,
) -> Option<u32> {
    let look = || Some(generation::<S>(word)).filter(|generation| *generation != seen);
    eventcount::wait(word, env, look, look)
}

/// One wait after the other. The model has its own.
pub(crate) trait WaitRounds {
    /// Whether the generation is taken before the look. Only a model that is to fail takes it afterwards.
    const READS_FIRST: bool = true;

    /// How one of them waits.
    type Env: WaitEnv;

    /// The next one. `None` when the time is up.
    fn next(&mut self) -> Option<Self::Env>;
}

/// Waits until `look` finds something: at once, after a notification, or at the end of a slice or of all waits.
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
        // Who notifies without end is not waited for longer than was asked.
        let Some(mut env) = waits.next() else {
            return look();
        };
        match wait_or_check::<S, _, _>(word, seen, &mut env, &mut look)? {
            WaitOutcome::Found(found) => return Some(found),
            WaitOutcome::Notified => {}
        }
    }
}

/// Waits until the generation is not `seen`, or until `look` finds something at the end of a slice or of the wait.
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

/// What has ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome<R> {
    /// Somebody has notified.
    Notified,
    /// What was waited for is there, though nobody has notified.
    Found(R),
}
