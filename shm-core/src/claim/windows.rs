//! Where segments with claims are mapped: each in windows of address space of its own.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::participant::Registration;
use super::process::{LIMIT, Tables, WINDOW_BITS, WINDOWS, window, window_start};
use super::reader_wakes;
use crate::sys::map::Mapping;
use crate::sys::{Errno, SysError, SysResult};

/// Windows of address space that are reserved for one segment. Dropping it releases them.
#[derive(Debug)]
pub(crate) struct AddressWindows {
    pub(super) tables: Tables,
    pub(super) range: Range<usize>,
    /// Whether the segment wakes readers unasked.
    wakes_readers: bool,
}

/// The entry of windows that are reserved, but have no registration yet.
pub(super) const RESERVED: *mut Registration = std::ptr::without_provenance_mut(1);

impl AddressWindows {
    /// Reserves the windows of the `len` bytes at `start`. Returns `None` if another segment has one of them.
    fn reserve(tables: Tables, start: usize, len: usize) -> Option<Self> {
        let last = start.checked_add(len - 1).filter(|last| *last < LIMIT)?;
        let windows = window(start)..window(last) + 1;
        // Grows with each reserved window, so that dropping it releases exactly those.
        let mut reserved = Self {
            tables,
            range: windows.start..windows.start,
            wakes_readers: false,
        };
        for window in windows {
            tables
                .registration(window)?
                // Acquire: ordered after the last segment in this window has cleared its id.
                .compare_exchange(
                    std::ptr::null_mut(),
                    RESERVED,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .ok()?;
            reserved.range.end += 1;
        }
        Some(reserved)
    }

    /// From now on, this process wakes the readers of the segment unasked, which is mapped at `mapping` in these windows.
    pub(crate) fn wake_readers(&mut self, mapping: &Mapping) {
        self.wakes_readers = true;
        let start = mapping.start().addr().get();
        reader_wakes::begin(start..start + mapping.len());
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &AtomicPtr<Registration>> {
        self.range
            .clone()
            .filter_map(|window| self.tables.registration(window))
    }

    pub(super) fn store_id(&self, id: u32) {
        self.tables.store_id(self.range.clone(), id);
    }

    pub(super) fn clear_id(&self) {
        self.tables.clear(self.range.clone());
    }
}

impl Drop for AddressWindows {
    fn drop(&mut self) {
        if self.wakes_readers {
            reader_wakes::end(self.range.clone());
        }
        for slot in self.slots() {
            slot.store(std::ptr::null_mut(), Ordering::Release);
        }
        if !self.range.is_empty() {
            LIKELY_FREE.store(self.range.end - 1, Ordering::Relaxed);
        }
    }
}

/// The window in which the kernel placed a segment last, or 0.
static USUAL: AtomicUsize = AtomicUsize::new(0);

/// A window that was free when it was last seen, and is likely to have free ones below it; or 0.
static LIKELY_FREE: AtomicUsize = AtomicUsize::new(0);

/// Maps a segment in windows that contain no other that was mapped by this.
pub(crate) fn map(file: &File, len: usize, writable: bool) -> SysResult<(Mapping, AddressWindows)> {
    let tables = Tables::get_or_create()?;
    let usual = USUAL.load(Ordering::Relaxed);
    // If a segment is there, the kernel would place this one next to it.
    if usual != 0 && tables.is_used(usual) {
        return map_elsewhere(tables, (file, len, writable), usual);
    }
    let mapping = Mapping::new(file, len, writable)?;
    let start = mapping.start().addr().get();
    USUAL.store(window(start), Ordering::Relaxed);
    if let Some(windows) = AddressWindows::reserve(tables, start, len) {
        return Ok((mapping, windows));
    }
    drop(mapping);
    map_elsewhere(tables, (file, len, writable), window(start))
}

/// Maps a segment in windows that are free: where one was free before, else in the nearest below `used`, or above it.
fn map_elsewhere(
    tables: Tables,
    place: (&File, usize, bool),
    used: usize,
) -> SysResult<(Mapping, AddressWindows)> {
    let (_, len, _) = place;
    // Its last window is the one that is likely to be free.
    let likely = LIKELY_FREE.load(Ordering::Relaxed);
    let likely = likely.saturating_sub(len.saturating_sub(1) >> WINDOW_BITS);
    let found = match map_at(tables, place, likely)? {
        Some(found) => found,
        None => search(tables, place, used)?,
    };
    let first = found.1.range.start;
    LIKELY_FREE.store(first.saturating_sub(1), Ordering::Relaxed);
    Ok(found)
}

/// Maps a segment from the start of a window on, if it and all others that it needs are free.
fn map_at(
    tables: Tables,
    (file, len, writable): (&File, usize, bool),
    window: usize,
) -> SysResult<Option<(Mapping, AddressWindows)>> {
    let Some(address) = NonZeroUsize::new(window_start(window)) else {
        return Ok(None);
    };
    let Some(windows) = AddressWindows::reserve(tables, address.get(), len) else {
        return Ok(None);
    };
    let mapping = Mapping::at(file, len, writable, address)?;
    Ok(mapping.map(|mapping| (mapping, windows)))
}

/// Maps a segment in the nearest windows that are free, below `used` or else above it.
fn search(
    tables: Tables,
    place: (&File, usize, bool),
    used: usize,
) -> SysResult<(Mapping, AddressWindows)> {
    let try_window = |window| map_at(tables, place, window).transpose();
    // The kernel assigns addresses from the top down, so there is nearly always room below.
    if let Some(found) = (1..used).rev().find_map(try_window) {
        return found;
    }
    // Valgrind and some emulators assign addresses from the bottom up. The first window behind the end of the address space
    // fails with `ENOMEM`.
    (used + 1..WINDOWS)
        .find_map(try_window)
        .unwrap_or(Err(SysError::new("mmap", Errno::ENOMEM)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{file, memfd, test_support};

    const GIB: usize = 1 << WINDOW_BITS;

    #[test]
    fn a_segment_has_each_window_in_which_it_has_a_byte() {
        let _alone = test_support::alone();
        let tables = Tables::get_or_create().unwrap();
        let (first, start) = (64, window_start(64));
        let taken =
            |start, len| AddressWindows::reserve(tables, start, len).map(|it| it.range.clone());
        for (offset, len, count) in [
            (0, 1, 1),
            (0, GIB, 1),
            (0, GIB + 1, 2),
            (GIB - 4096, 4096, 1),
            (GIB - 4096, 4097, 2),
            (4096, 2 * GIB, 3),
        ] {
            assert_eq!(taken(start + offset, len), Some(first..first + count));
        }
        let second = AddressWindows::reserve(tables, start + GIB, GIB).unwrap();
        assert_eq!(taken(start, 2 * GIB), None);
        assert!(!tables.is_used(first) && tables.is_used(first + 1));
        drop(second);
        assert_eq!(taken(start, 2 * GIB), Some(first..first + 2));
    }

    #[test]
    fn a_segment_that_wakes_readers_is_forgotten_when_dropped() {
        let file = memfd::create("waking").unwrap();
        file::set_len(&file, 4096).unwrap();
        let (mapping, mut windows) = map(&file, 4096, true).unwrap();
        let address = mapping.start().addr().get();
        assert!(!reader_wakes::wakes(address));
        windows.wake_readers(&mapping);
        assert!(reader_wakes::wakes(address));
        drop(windows);
        // Another segment may have the window by now, but not these pages.
        assert!(!reader_wakes::wakes(address));
    }

    #[test]
    fn the_last_window_can_be_used_to_its_end() {
        let tables = Tables::get_or_create().unwrap();
        for len in [4097, usize::MAX] {
            assert!(AddressWindows::reserve(tables, LIMIT - 4096, len).is_none());
        }
        let last = AddressWindows::reserve(tables, LIMIT - 4096, 4096).unwrap();
        assert_eq!(last.range, WINDOWS - 1..WINDOWS);
        for slot in last.slots() {
            slot.store(std::ptr::null_mut(), Ordering::Release);
        }
        // Dropped, it would be where the next segment is tried.
        std::mem::forget(last);
    }

    #[test]
    fn segments_are_also_placed_above_a_low_address() {
        let file = memfd::create("low").unwrap();
        file::set_len(&file, 4096).unwrap();
        let tables = Tables::get_or_create().unwrap();
        // Nothing is below window 1: window 0 contains the null page and is not used.
        let (first, _windows) = search(tables, (&file, 4096, true), 1).unwrap();
        let (second, _windows) = search(tables, (&file, 4096, true), 1).unwrap();
        let places = [&first, &second].map(|mapping| window(mapping.start().addr().get()));
        assert!(1 < places[0] && places[0] < places[1], "{places:?}");
    }
}
