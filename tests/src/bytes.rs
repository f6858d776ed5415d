//! Byte accesses of a peer that ignores all types.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use shm_core::ShmCell;

use crate::{Random, RandomDelays};

/// Writes one byte of a cell.
///
/// # Panics
///
/// If the cell has fewer bytes.
pub fn poke<T>(cell: &ShmCell<T>, offset: usize, byte: u8) {
    assert!(offset < size_of::<T>());
    let at = cell.as_ptr().cast::<u8>().cast_mut().wrapping_add(offset);
    // SAFETY: the byte is within the cell, which is live and writable. The access is atomic, as all are.
    let atomic = unsafe { AtomicU8::from_ptr(at) };
    atomic.store(byte, Ordering::Relaxed);
}

/// Writes eight bytes of a cell.
///
/// # Panics
///
/// If the cell has fewer bytes, or the offset is not aligned.
pub fn poke_word<T>(cell: &ShmCell<T>, offset: usize, word: u64) {
    assert!(offset + 8 <= size_of::<T>());
    let at = cell.as_ptr().cast::<u8>().cast_mut().wrapping_add(offset);
    assert!(at.addr().is_multiple_of(8));
    // SAFETY: the bytes are within the cell, which is live and writable; aligned, and accessed atomically.
    let atomic = unsafe { AtomicU64::from_ptr(at.cast()) };
    atomic.store(word, Ordering::Relaxed);
}

/// Writes random bytes all over a cell.
pub fn scribble<T>(cell: &ShmCell<T>, random: &mut Random) {
    for offset in 0..size_of::<T>() {
        poke(cell, offset, random.word() as u8);
    }
}

/// Reads one byte of a cell.
///
/// # Panics
///
/// If the cell has fewer bytes.
pub fn peek<T>(cell: &ShmCell<T>, offset: usize) -> u8 {
    assert!(offset < size_of::<T>());
    let at = cell.as_ptr().cast::<u8>().cast_mut().wrapping_add(offset);
    // SAFETY: as in `poke`.
    let atomic = unsafe { AtomicU8::from_ptr(at) };
    atomic.load(Ordering::Relaxed)
}

/// Runs `work` while another thread calls `interfere` without a pause. The thread ends also if `work` panics.
pub fn next_to<R>(
    mut interfere: impl FnMut(&mut RandomDelays) + Send,
    work: impl FnOnce() -> R,
) -> R {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    let stop = AtomicBool::new(false);
    crate::scope(|scope| {
        scope.start(|| {
            let mut random = RandomDelays::new();
            while !stop.load(Ordering::Acquire) {
                interfere(&mut random);
            }
        });
        let _stop = Stop(&stop);
        work()
    })
}
