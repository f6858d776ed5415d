//! Waking readers that cannot announce that they sleep, at a bounded rate.
//!
//! A read-only handle cannot write to the eventcount on which it sleeps, so no process that changes something knows of it. In a
//! segment that was created with [`wake_readers`](crate::ShmOptions::wake_readers), such processes wake unasked: at every
//! change, as long as it is one of the first [`BUDGET`] since the last tick of the kernel's clock, for each word and process.
//!
//! A wake-up is a system call, whether or not a process sleeps, so the rate needs a bound. The clock that only the tick advances
//! takes a fifth of the time of the precise one, and needs no processor whose own counter is usable. Above the bound, changes
//! follow each other so fast that readers poll again before they would miss one for long: they begin with 50 µs.
//!
//! # Synchronization
//!
//! All of this is private to the process. The pages of a segment that wakes are recorded before its handle exists, and forgotten
//! when the handle is gone. They are only asked for with a word of a segment whose handle is borrowed: if that segment is not
//! among them, its pages are not either, whatever other threads do. The budgets are counted without synchronization: two
//! threads may take the same one. Two words may share an entry, and with it the budget. Neither does harm.

use std::ops::Range;

use super::process::{WINDOW_PAGES, WINDOWS, window, window_start};
use crate::primitive::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sys::clock;

/// The number of wake-ups between two ticks, which are 1 to 10 ms apart. At 4 ms, that is 8,000 a second.
const BUDGET: u64 = 32;
/// The bits of an entry that count. The others are the time, in milliseconds.
const COUNT_BITS: u32 = 8;
/// The number of entries, a power of two.
const ENTRIES: usize = 1024;

/// Whether this process has ever had a writable handle on a segment that wakes. All others pay for one look at this.
static ANY: AtomicBool = AtomicBool::new(false);
/// For each window, the pages in it that belong to a segment that wakes: the number of the first in the lower half, and of the
/// first after them in the upper half. A window has at most one such segment.
static PAGES: [AtomicU64; WINDOWS] = [const { AtomicU64::new(0) }; WINDOWS];
/// By address: the last tick at which the word's sleepers were woken, and how often since.
static BUDGETS: [AtomicU64; ENTRIES] = [const { AtomicU64::new(0) }; ENTRIES];

/// The number of a page in its window.
fn page(address: usize) -> u64 {
    (address / 4096 % WINDOW_PAGES) as u64
}

/// Records that the segment at these addresses wakes. They are whole pages, and their windows contain no other segment that does.
pub(super) fn begin(addresses: Range<usize>) {
    let last = addresses.end - 1;
    for window in window(addresses.start)..=window(last) {
        let start = addresses.start.max(window_start(window));
        let last = last.min(window_start(window + 1) - 1);
        if let Some(pages) = PAGES.get(window) {
            pages.store(page(start) | (page(last) + 1) << 32, Ordering::Relaxed);
        }
    }
    ANY.store(true, Ordering::Relaxed);
}

/// Forgets the segment in these windows.
pub(super) fn end(windows: Range<usize>) {
    for window in windows {
        if let Some(pages) = PAGES.get(window) {
            pages.store(0, Ordering::Relaxed);
        }
    }
}

/// Whether to wake the processes that may sleep on this word, which has just been changed or is about to be.
#[inline(always)]
pub(crate) fn are_due(word: &AtomicU32) -> bool {
    ANY.load(Ordering::Relaxed) && are_due_at(std::ptr::from_ref(word).addr())
}

#[inline(never)]
fn are_due_at(address: usize) -> bool {
    wakes(address) && spend(entry(address), clock::coarse_millis())
}

/// Whether an address is in a segment that wakes.
pub(super) fn wakes(address: usize) -> bool {
    let pages = PAGES
        .get(window(address))
        .map_or(0, |pages| pages.load(Ordering::Relaxed));
    (pages & 0xffff_ffff..pages >> 32).contains(&page(address))
}

fn entry(address: usize) -> &'static AtomicU64 {
    // Spreads words at any distance from each other, such as those of an array, over the entries.
    let hash = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    &BUDGETS[(hash >> (u64::BITS - ENTRIES.ilog2())) as usize]
}

/// Takes a wake-up out of the budget, if any is left at this time, in milliseconds on the clock that ticks.
fn spend(entry: &AtomicU64, now: u32) -> bool {
    let (seen, now) = (entry.load(Ordering::Relaxed), u64::from(now));
    let spent = seen & ((1 << COUNT_BITS) - 1);
    let next = if seen >> COUNT_BITS != now {
        now << COUNT_BITS | 1
    } else if spent < BUDGET {
        seen + 1
    } else {
        return false;
    };
    entry.store(next, Ordering::Relaxed);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tick_has_a_budget_of_its_own() {
        let entry = AtomicU64::new(0);
        for now in [0, 1, 5, 9, 8, u32::MAX, 0] {
            let spent = (0..1000).filter(|_| spend(&entry, now)).count();
            assert_eq!(spent as u64, BUDGET, "{now}");
        }
    }

    #[test]
    fn words_of_an_array_have_entries_of_their_own() {
        for stride in [4, 8, 128, 640, 4096, 1 << 20] {
            let entries: std::collections::HashSet<_> = (0..64)
                .map(|index| std::ptr::from_ref(entry((7 << 32) + index * stride)))
                .collect();
            assert!(entries.len() > 48, "{stride}: {}", entries.len());
        }
    }

    #[test]
    fn only_words_of_waking_segments_are_due() {
        const GIB: usize = 1 << 30;
        // No mapping is this far up.
        let base = window_start(WINDOWS - 4);
        let inside = [
            base + GIB - 4096,
            base + GIB,
            base + 3 * GIB - 4,
            base + 3 * GIB,
        ];
        let outside = [
            base,
            base + 3 * 4096,
            base + GIB - 4100,
            base + 3 * GIB + 8192,
            base + 4 * GIB - 4,
            usize::MAX,
        ];
        assert_eq!(inside.map(wakes), [false; 4]);
        begin(base + GIB - 4096..base + 3 * GIB + 8192);
        assert_eq!(inside.map(wakes), [true; 4]);
        assert_eq!(outside.map(wakes), [false; 6]);
        assert!(are_due_at(inside[0]) && !are_due_at(outside[0]));
        end(WINDOWS - 4..WINDOWS);
        assert_eq!(inside.map(wakes), [false; 4]);
    }
}
