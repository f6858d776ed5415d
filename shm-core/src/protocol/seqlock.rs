//! The steps of a `SeqLock` on its words.
//!
//! # Synchronization
//!
//! | word | what |
//! |---|---|
//! | `claim` | the writer: [`crate::protocol::claim_word`] |
//! | `version` | the number of the last commit, `v`; its value is in slot `v % K` of `K` slots |
//! | `changed` | the eventcount of processes that wait for a commit: [`crate::protocol::eventcount`] |
//!
//! The owner of the claim has slot `(v + 1) % K` to itself, though slow readers may still be reading it.
//!
//! | step | by | what | ordering |
//! |---|---|---|---|
//! | find | writer | `v` from `version` | relaxed: nobody else writes it, and the claim's acquire came before |
//! | reserve | writer | none: from here on slot `(v + 1) % K` changes | release fence |
//! | write | writer | the slot | relaxed, leaf by leaf |
//! | publish | writer | `version` = `v + 1` | release, then a full fence unless the process is registered |
//! | wake | writer | check for sleepers on `changed` | as the eventcount says |
//! | or both, if the writer releases the role at once | writer | `version` = `v + 1`; release `claim`; check for sleepers | release, both; then as the eventcount says |
//! | begin | reader | `t` from `version` | acquire; through a read-only mapping relaxed, then an acquire fence |
//! | copy | reader | slot `t % K` | relaxed, leaf by leaf |
//! | validate | reader | `s` from `version`; whole if `s - t < K - 1` | acquire fence, then relaxed |
//! | load | anyone that only wants the number | `version` | as *begin* |
//!
//! A writer that releases the role at once checks for sleepers afterwards, since on x86-64 the release of the claim is a full fence
//! already. On other architectures it is not, and one follows unless the process is registered.
//!
//! *Publish* pairs with *begin* and with *load*: the reader sees all of the value `t`, and all that its writer did before.
//! *Reserve* pairs with the fence of *validate*: a reader that has seen any part of the value `n` comes after the writer that
//! reserved for it, and so after the publication of `n - 1`. The slot of `t` is next written for `t + K`. So a reader that
//! has seen any of that finds `s` to be `t + K - 1` at least, and discards its copy.
//!
//! # Crash story
//!
//! | killed | what is left | what others see |
//! |---|---|---|
//! | before publishing | a slot that is half written, and belongs to no version; the claim | the values that were there; the next writer takes the claim over and writes the same slot anew |
//! | after publishing, before releasing | the new value; the claim | the new value; the claim is taken over |
//! | before waking | sleepers that nobody wakes | the sleepers check within one slice of sleep |
//! | as a reader | nothing: it has written nothing, except for a flag of the eventcount if it waited | no change |
//!
//! There is never anything to repair, so a take-over needs no notice.
//!
//! # A peer that writes anything anywhere
//!
//! A slot's number is a remainder, so no version leads outside. A version that never stops moving makes every copy fail, so
//! readers bound their attempts.

use std::marker::PhantomData;

use crate::access::{Access, ReadWrite};
use crate::primitive::Ordering;
use crate::primitive::model::{self, AtomicU32, AtomicU64, CommitOrder, fence};
use crate::protocol::eventcount::{self, WaitEnv};

/// The steps that mutants take in another way.
pub(crate) trait Mutations {
    /// The ordering with which a reader begins.
    const BEGIN: Ordering = Ordering::Acquire;
    /// The ordering of a load of the version alone.
    const LOAD: Ordering = Ordering::Acquire;
    /// Whether the mapping may be written. If not, a fence provides the ordering of `BEGIN` and `LOAD`: see [`model::load`].
    const WRITABLE: bool = true;
    /// How many slots readers cannot use: the one that is being written.
    const SPARE: u64 = 1;

    /// Called before the slot changes.
    #[inline(always)]
    fn before_write() {
        fence(Ordering::Release);
    }

    /// Makes the new value current.
    #[inline(always)]
    fn publish(version: &AtomicU64, value: u64, order: CommitOrder) {
        model::publish(version, value, order);
    }

    /// Called after the copy, before the validation.
    #[inline(always)]
    fn after_copy() {
        fence(Ordering::Acquire);
    }
}

/// The correct protocol, through a mapping of this kind.
#[derive(Debug)]
pub(crate) struct Correct<A = ReadWrite>(PhantomData<A>);

impl<A: Access> Mutations for Correct<A> {
    const WRITABLE: bool = A::WRITABLE;
}

/// The slot of a version.
#[inline(always)]
pub(crate) fn slot(version: u64, slots: usize) -> usize {
    (version % slots as u64) as usize
}

/// The current version. The caller holds the claim.
#[inline(always)]
pub(crate) fn current(version: &AtomicU64) -> u64 {
    version.load(Ordering::Relaxed)
}

/// Commits what `write` writes into a slot. The caller holds the claim, and checks for sleepers next, in the `order` that it
/// passes. Returns the new version and the result of `write`. If that is an error, or `write` panics, the contents of the
/// slot belong to no version, as if the writer had died.
#[inline(always)]
pub(crate) fn commit<S: Mutations, R, E>(
    version: &AtomicU64,
    slots: usize,
    order: CommitOrder,
    write: impl FnOnce(usize) -> Result<R, E>,
) -> Result<(u64, R), E> {
    let next = current(version).wrapping_add(1);
    S::before_write();
    let result = write(slot(next, slots))?;
    S::publish(version, next, order);
    Ok((next, result))
}

/// One attempt to read what `copy` copies out of a slot: the version and the copy, or `None` if the slot may have been
/// overwritten meanwhile.
#[inline(always)]
pub(crate) fn try_read<M: Mutations, R>(
    version: &AtomicU64,
    slots: usize,
    copy: impl FnOnce(usize) -> R,
) -> Option<(u64, R)> {
    let begun = model::load(version, M::BEGIN, M::WRITABLE);
    let result = copy(slot(begun, slots));
    M::after_copy();
    let now = version.load(Ordering::Relaxed);
    (now.wrapping_sub(begun) < slots as u64 - M::SPARE).then_some((begun, result))
}

/// The version. Everything before its commit happened before this.
#[inline(always)]
pub(crate) fn latest<S: Mutations>(version: &AtomicU64) -> u64 {
    model::load(version, S::LOAD, S::WRITABLE)
}

/// The version, if it is newer than `seen`.
#[inline(always)]
pub(crate) fn newer_than<S: Mutations>(version: &AtomicU64, seen: u64) -> Option<u64> {
    let now = latest::<S>(version);
    (now.wrapping_sub(seen).cast_signed() > 0).then_some(now)
}

/// Waits for a version newer than `seen`. `None` after the final probe.
pub(crate) fn wait_newer<S: Mutations, W: WaitEnv>(
    version: &AtomicU64,
    changed: &AtomicU32,
    env: &mut W,
    seen: u64,
) -> Option<u64> {
    let ready = || newer_than::<S>(version, seen);
    eventcount::wait(changed, env, ready, ready)
}
