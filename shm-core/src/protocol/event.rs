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
//! | wake, if the addition saw `WAITERS` | the same | see [`counted`] | |
//! | wait | anyone | sets `WAITERS`, looks, sleeps; see [`eventcount`] | acquire |
//!
//! Who looks for something else than a notification takes the generation first and looks after that: what it did not find has
//! not been notified of in this generation, so the notification is another one, and is waited for.
//!
//! A look pairs with every notification whose count it sees: they are all additions, so each continues the release of
//! those before.
//!
//! The crash story is that of [`counted`]: the generation is counted or not, and who sleeps looks at the end of its slice.

use std::marker::PhantomData;

use crate::access::Access;
use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, load};
use crate::protocol::counted::{self, ONE, WakeSome};
use crate::protocol::eventcount::{self, WAITERS, World};

/// The steps of who looks. Only a model that is to fail has others.
pub(crate) trait Steps {
    /// How the generation is looked at.
    const LOOK: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. Where not, a fence does what `LOOK` says: see [`load`].
    const WRITABLE: bool = true;
}

/// The protocol as it should be, through a mapping of this kind.
#[derive(Debug)]
pub(crate) struct Sound<A>(PhantomData<A>);

impl<A: Access> Steps for Sound<A> {
    const WRITABLE: bool = A::WRITABLE;
}

/// The generation.
#[inline(always)]
pub(crate) fn generation<S: Steps>(word: &AtomicU32) -> u32 {
    load(word, S::LOOK, S::WRITABLE) / ONE
}

/// Counts, and wakes one of those who wait.
#[inline(always)]
pub(crate) fn notify_one<W: WakeSome>(word: &AtomicU32, waker: &W) {
    if word.fetch_add(ONE, W::COUNT) & WAITERS != 0 {
        counted::wake_some(word, 1, waker);
    }
}

/// Counts, and wakes all who wait.
#[inline(always)]
pub(crate) fn notify_all<W: WakeSome>(word: &AtomicU32, waker: &W) {
    if word.fetch_add(ONE, W::COUNT) & WAITERS != 0 {
        counted::wake_all(word, waker);
    }
}

/// Waits until the generation is not `seen`, and returns it. `None` when the world's last turn has come before.
pub(crate) fn wait<S: Steps, W: World>(word: &AtomicU32, seen: u32, world: &mut W) -> Option<u32> {
    let look = || Some(generation::<S>(word)).filter(|generation| *generation != seen);
    eventcount::wait(word, world, look, look)
}

/// One wait after the other. The model has its own.
pub(crate) trait Waits {
    /// Whether the generation is taken before the look. Only a model that is to fail takes it afterwards.
    const SEES_FIRST: bool = true;

    /// How one of them waits.
    type World: World;

    /// The next one. `None` when the time is up.
    fn next(&mut self) -> Option<Self::World>;
}

/// Waits until `look` finds something: at once, after a notification, or at the end of a slice or of all waits.
pub(crate) fn wait_until<S: Steps, W: Waits, R>(
    word: &AtomicU32,
    waits: &mut W,
    mut look: impl FnMut() -> Option<R>,
) -> Option<R> {
    loop {
        let before = generation::<S>(word);
        if let Some(found) = look() {
            return Some(found);
        }
        let seen = if W::SEES_FIRST {
            before
        } else {
            generation::<S>(word)
        };
        // Who notifies without end is not waited for longer than was asked.
        let Some(mut world) = waits.next() else {
            return look();
        };
        match wait_or_find::<S, _, _>(word, seen, &mut world, &mut look)? {
            Found::Unannounced(found) => return Some(found),
            Found::Notified => {}
        }
    }
}

/// Waits until the generation is not `seen`, or until `look` finds something at the end of a slice or of the wait.
pub(crate) fn wait_or_find<S: Steps, W: World, R>(
    word: &AtomicU32,
    seen: u32,
    world: &mut W,
    mut look: impl FnMut() -> Option<R>,
) -> Option<Found<R>> {
    let notified = || (generation::<S>(word) != seen).then_some(Found::Notified);
    eventcount::wait(word, world, notified, || {
        notified().or_else(|| look().map(Found::Unannounced))
    })
}

/// What has ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<R> {
    /// Somebody has notified.
    Notified,
    /// What was waited for is there, though nobody has notified.
    Unannounced(R),
}
