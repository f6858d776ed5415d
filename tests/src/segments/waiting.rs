//! The segment of the tests of events, semaphores and barriers.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Event, Semaphore};

/// One of each, and what processes that use them saw.
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
    /// The number of the request that the event announces.
    pub ping: AtomicU64,
    /// By process: what it has answered, or the last version that it saw.
    pub pongs: [AtomicU64; 3],
    /// Permits that a process is about to post.
    pub posting: AtomicU64,
    /// Permits that were posted.
    pub posted: AtomicU64,
    /// Permits that a process is about to take.
    pub taking: AtomicU64,
    /// Permits that were taken.
    pub taken: AtomicU64,
    /// By seat: the number after the last round that its work was done for.
    pub work: [u64; 3],
    /// The number after the last round that had a leader.
    pub led: AtomicU64,
    /// Changed in turn.
    pub count: u64,
    /// Deaths that were reported.
    pub died: AtomicU64,
    /// Violations.
    pub wrong: AtomicU64,
    /// Unexpected errors.
    pub failed: AtomicU64,
}

/// Whether an event has a notification of one that no waiter has taken.
#[must_use]
pub fn is_owed(event: &Event) -> bool {
    let word = std::ptr::from_ref(event).cast::<AtomicU64>();
    // SAFETY: an event is one atomic word.
    let word = unsafe { &*word };
    word.load(Relaxed) >> 32 & 0xffff != 0
}
