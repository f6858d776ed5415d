//! Sequence locks and broadcasts as one would write them by hand: no process can die, and nobody sleeps.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

/// A value and its sequence number, on cache lines of its own.
#[repr(C, align(64))]
struct Slot<const N: usize> {
    sequence: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Slot<N> {
    fn new() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    #[inline]
    fn write(&self, sequence: u64, value: &[u64; N]) {
        self.sequence.store(sequence | 1, Relaxed);
        fence(Release);
        for (word, value) in self.words.iter().zip(value) {
            word.store(*value, Relaxed);
        }
        self.sequence.store(sequence, Release);
    }

    #[inline]
    fn read(&self, sequence: u64) -> Option<[u64; N]> {
        if self.sequence.load(Acquire) != sequence {
            return None;
        }
        let value = std::array::from_fn(|index| self.words[index].load(Relaxed));
        fence(Acquire);
        (self.sequence.load(Relaxed) == sequence).then_some(value)
    }
}

/// A sequence lock of four slots with one writer.
pub(crate) struct SeqLock<const N: usize> {
    version: AtomicU64,
    slots: [Slot<N>; 4],
}

impl<const N: usize> SeqLock<N> {
    pub(crate) fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            slots: std::array::from_fn(|_| Slot::new()),
        }
    }

    /// Only one thread may call this at a time; others would mix values.
    #[inline]
    pub(crate) fn write(&self, value: &[u64; N]) {
        let version = self.version.load(Relaxed) + 1;
        self.slots[(version % 4) as usize].write(version * 2, value);
        self.version.store(version, Release);
    }

    #[inline]
    pub(crate) fn read(&self) -> [u64; N] {
        loop {
            let version = self.version.load(Acquire);
            if let Some(value) = self.slots[(version % 4) as usize].read(version * 2) {
                return value;
            }
        }
    }
}

/// A broadcast of one sender.
pub(crate) struct Broadcast<const N: usize, const SLOTS: usize> {
    sent: AtomicU64,
    slots: Box<[Slot<N>; SLOTS]>,
}

impl<const N: usize, const SLOTS: usize> Broadcast<N, SLOTS> {
    pub(crate) fn new() -> Self {
        Self {
            sent: AtomicU64::new(0),
            slots: Box::new(std::array::from_fn(|_| Slot::new())),
        }
    }

    /// Only one thread may call this at a time; others would mix messages.
    #[inline]
    pub(crate) fn send(&self, message: &[u64; N]) {
        let sent = self.sent.load(Relaxed) + 1;
        self.slots[sent as usize % SLOTS].write(sent * 2, message);
        self.sent.store(sent, Release);
    }

    /// Message `number`, counted from 1, unless it is not there yet or overwritten.
    #[inline]
    pub(crate) fn receive(&self, number: u64) -> Option<[u64; N]> {
        self.slots[number as usize % SLOTS].read(number * 2)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Acquire)
    }
}
