//! How much memory hostile input costs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread holds now, and the most it held since the last reset. Per thread, because other tests of a
    /// binary allocate at the same time. Initialised in const context and without a destructor, so that access never
    /// allocates.
    static NOW: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// An allocator for `#[global_allocator]` that counts what each thread holds.
#[derive(Debug)]
pub struct Counting;

// SAFETY: everything is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.get() + layout.size();
        NOW.set(now);
        MOST.set(MOST.get().max(now));
        // SAFETY: forwards the caller's guarantee.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // A block may have been allocated by another thread.
        NOW.set(NOW.get().saturating_sub(layout.size()));
        // SAFETY: forwards the caller's guarantee.
        unsafe { System.dealloc(start, layout) }
    }
}

/// The most bytes that this thread held at a time during `work`, beyond those before. 0 unless [`Counting`] is the allocator.
pub fn allocated_by(work: impl FnOnce()) -> usize {
    let before = NOW.get();
    MOST.set(before);
    work();
    MOST.get().saturating_sub(before)
}

/// Prints which file it was if a check fails.
#[derive(Debug)]
pub struct Which {
    /// `SHM_HOSTILE_SEED`.
    pub seed: u64,
    /// The number of the file.
    pub file: u64,
}

impl Drop for Which {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with SHM_HOSTILE_SEED={}, file {}", self.seed, self.file);
        }
    }
}
