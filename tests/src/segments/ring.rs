//! Rings, and what the processes that use them record.

use std::sync::atomic::{AtomicU32, AtomicU64};

use shm_core::ShmLayout;
use shm_core::sync::Ring;

/// A message whose fields all follow from its number.
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
    /// A ring of few slots, not a power of two.
    pub ring: Ring<Message, 5>,
    /// A ring of many slots.
    pub stream: Ring<Message, 1024>,
    /// The number after that of the last message that was handled.
    pub handled: AtomicU64,
    /// The number after that of the last message whose handling in place has begun.
    pub begun: AtomicU64,
    /// Messages whose handling has begun twice.
    pub redelivered: AtomicU64,
    /// Messages that were handled twice.
    pub repeats: AtomicU64,
    /// Messages that were skipped, because a killed receiver had taken them.
    pub skips: AtomicU64,
    /// Unexpected messages: torn ones, or out of order.
    pub wrong: AtomicU64,
    /// The process that holds the sending end.
    pub sender: AtomicU64,
    /// The process that holds the receiving end.
    pub receiver: AtomicU64,
    /// Tells the loops to end.
    pub stop: AtomicU32,
    /// Padding.
    pub _pad: [u32; 15],
}
