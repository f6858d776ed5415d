//! Rings, and what the processes that use them note down.

use std::sync::atomic::{AtomicU32, AtomicU64};

use shm_core::ShmLayout;
use shm_core::sync::Ring;

/// A message of which all follows from its number.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
pub struct Message {
    /// The number.
    pub number: u64,
    /// Three numbers that differ.
    pub rest: [u64; 3],
}

impl Message {
    /// The message with this number.
    #[must_use]
    #[inline]
    pub fn numbered(number: u64) -> Self {
        let one = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            number,
            rest: [one, !one, one.rotate_left(17) ^ number],
        }
    }

    /// Whether all of it follows from its number.
    #[must_use]
    #[inline]
    pub fn is_whole(&self) -> bool {
        *self == Self::numbered(self.number)
    }
}

/// Two rings and what was seen of them.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct RingSegment {
    /// One of few slots, not a power of two.
    pub ring: Ring<Message, 5>,
    /// One of many.
    pub stream: Ring<Message, 1024>,
    /// The number after that of the last message that was dealt with.
    pub handled: AtomicU64,
    /// Messages that were dealt with a second time.
    pub repeats: AtomicU64,
    /// Messages that were skipped, because a receiver took them along.
    pub skips: AtomicU64,
    /// Messages that should not be: half ones, or out of order.
    pub wrong: AtomicU64,
    /// The process that has the sending end.
    pub sender: AtomicU64,
    /// The process that has the receiving end.
    pub receiver: AtomicU64,
    /// Tells the loops to end.
    pub stop: AtomicU32,
    /// Nothing.
    pub _pad: [u32; 19],
}
