//! A segment in which every call has to wait.

use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

/// One field for each way of waiting in vain. Its owner brings each into the state described here.
#[derive(ShmLayout)]
#[repr(C)]
pub struct BlockedSegment {
    /// Has a living receiver that receives nothing.
    pub full: Ring<u64, 4>,
    /// Has a living sender that sends nothing.
    pub empty: Ring<u64, 4>,
    /// Both its ends are claimed.
    pub taken: Ring<u64, 4>,
    /// Nobody ever claims the other end of these.
    pub lonely: [Ring<u64, 4>; 2],
    /// The other end of these was claimed and is free again.
    pub left: [Ring<u64, 4>; 2],
    /// Has a living sender that sends nothing.
    pub cast: Broadcast<u64, 4>,
    /// Never had a sender.
    pub silent: Broadcast<u64, 4>,
    /// Has a writer that never commits.
    pub value: SeqLock<[u64; 8]>,
    /// Held by another process.
    pub lock: Mutex<[u64; 8]>,
    /// Nobody joins the first, and all seats of the second are taken.
    pub meet: [Barrier<2>; 2],
    /// Nobody notifies.
    pub event: Event,
    /// Has no permits.
    pub permits: Semaphore,
    /// Fills the last 256 bytes.
    pub _pad: [u8; 172 - size_of::<[Barrier<2>; 2]>()],
}
