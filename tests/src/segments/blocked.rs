//! A segment in which everybody has to wait.

use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

/// One of each for every way of waiting in vain. What each is for is what its owner makes of it.
#[derive(ShmLayout)]
#[repr(C)]
pub struct BlockedSegment {
    /// Has a living receiver that receives nothing.
    pub full: Ring<u64, 4>,
    /// Has a living sender that sends nothing.
    pub empty: Ring<u64, 4>,
    /// Has both its ends.
    pub taken: Ring<u64, 4>,
    /// Nobody ever comes to the other end of these.
    pub lonely: [Ring<u64, 4>; 2],
    /// Has a living sender that sends nothing.
    pub cast: Broadcast<u64, 4>,
    /// Never had a sender.
    pub silent: Broadcast<u64, 4>,
    /// Somebody writes, and never commits.
    pub value: SeqLock<[u64; 8]>,
    /// Somebody has it.
    pub lock: Mutex<[u64; 8]>,
    /// Nobody comes to the first, and all seats of the second are taken.
    pub meet: [Barrier<2>; 2],
    /// Nobody notifies.
    pub event: Event,
    /// There are none.
    pub permits: Semaphore,
    /// What the barriers leave of the last 128 bytes.
    pub _pad: [u8; 48 - size_of::<[Barrier<2>; 2]>()],
}
