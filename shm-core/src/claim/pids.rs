//! The pids of participants, for people to read.
//!
//! A probe that finds a participant alive also finds its pid, which never changes. So each process remembers for each segment the
//! last pids that it has seen, and an error can name its owner without a system call.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

/// The latest pids: one for each remainder of the id.
#[derive(Debug)]
pub(super) struct Pids {
    /// The id, and in the upper half the pid. Zero if there is none. Relaxed, as nothing follows from a pid.
    entries: [AtomicU64; Self::ENTRIES],
}

impl Pids {
    /// They take one cache line.
    const ENTRIES: usize = 8;

    pub(super) fn new() -> Self {
        Self {
            entries: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(super) fn record(&self, id: u32, pid: u32) {
        let entry = u64::from(id) | u64::from(pid) << 32;
        self.entry(id).store(entry, Ordering::Relaxed);
    }

    pub(super) fn recall(&self, id: u32) -> Option<NonZeroU32> {
        let entry = self.entry(id).load(Ordering::Relaxed);
        if entry as u32 == id {
            NonZeroU32::new((entry >> 32) as u32)
        } else {
            None
        }
    }

    fn entry(&self, id: u32) -> &AtomicU64 {
        &self.entries[id as usize % Self::ENTRIES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_is_recalled_until_another_takes_its_entry() {
        let pids = Pids::new();
        assert_eq!(pids.recall(0), None);
        pids.record(3, 4711);
        pids.record(4, 4712);
        assert_eq!(pids.recall(3), NonZeroU32::new(4711));
        assert_eq!(pids.recall(3 + 8), None);
        pids.record(3 + 8, 4713);
        let recalled = [3, 4, 3 + 8].map(|id| pids.recall(id).map(NonZeroU32::get));
        assert_eq!(recalled, [None, Some(4712), Some(4713)]);
    }
}
