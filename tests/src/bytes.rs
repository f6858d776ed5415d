//! What a peer that ignores all types does: it writes bytes.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use shm_core::ShmCell;

use crate::Random;

/// Writes one byte of a cell.
///
/// # Panics
///
/// If the cell has fewer bytes.
pub fn poke<T>(cell: &ShmCell<T>, offset: usize, byte: u8) {
    assert!(offset < size_of::<T>());
    let at = cell.as_ptr().cast::<u8>().cast_mut().wrapping_add(offset);
    // SAFETY: the byte lies within the cell, which is live and writable; atomic, as all accesses are.
    let atomic = unsafe { AtomicU8::from_ptr(at) };
    atomic.store(byte, Ordering::Relaxed);
}

/// Writes eight bytes of a cell.
///
/// # Panics
///
/// If the cell has fewer bytes, or the place is not aligned.
pub fn poke_word<T>(cell: &ShmCell<T>, offset: usize, word: u64) {
    assert!(offset + 8 <= size_of::<T>());
    let at = cell.as_ptr().cast::<u8>().cast_mut().wrapping_add(offset);
    assert!(at.addr().is_multiple_of(8));
    // SAFETY: the bytes lie within the cell, which is live and writable; aligned, and atomic.
    let atomic = unsafe { AtomicU64::from_ptr(at.cast()) };
    atomic.store(word, Ordering::Relaxed);
}

/// Writes bytes of any value all over a cell.
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
