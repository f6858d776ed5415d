//! What the tests of events, semaphores and barriers share.

use std::sync::atomic::{AtomicU32, AtomicU64};

use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Event, Semaphore};

/// One of each, and what processes that use them have seen.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct WaitSegment {
    /// An event.
    pub event: Event,
    /// Another one.
    pub answers: Event,
    /// A semaphore.
    pub permits: Semaphore,
    /// A barrier.
    pub meet: Barrier<3>,
    /// Tells the loops to end.
    pub stop: AtomicU32,
    /// What is asked by the event.
    pub ping: AtomicU64,
    /// By process: what it has answered, or the last version that it has seen.
    pub pongs: [AtomicU64; 3],
    /// Permits that somebody is about to post.
    pub posting: AtomicU64,
    /// Permits that were posted.
    pub posted: AtomicU64,
    /// Permits that somebody is about to take.
    pub taking: AtomicU64,
    /// Permits that were taken.
    pub taken: AtomicU64,
    /// By seat: the number behind the last round that its work was done for.
    pub work: [u64; 3],
    /// The number behind the last round that somebody was the leader of.
    pub led: AtomicU64,
    /// Changed by turns.
    pub count: u64,
    /// Deaths that somebody was told of.
    pub died: AtomicU64,
    /// What should not be.
    pub wrong: AtomicU64,
    /// Errors that should not be.
    pub failed: AtomicU64,
}
