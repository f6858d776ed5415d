//! Zeroed private memory, which a fork child inherits as a copy or as zeros.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags};

use super::{Errno, SysError, SysResult, retry};

/// What a fork child finds at the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inheritance {
    /// A copy, as with ordinary memory.
    Copied,
    /// Zeros.
    Wiped,
}

/// Zeroed pages, which occupy memory only once they are written. Unmapped when dropped.
#[derive(Debug)]
pub(crate) struct PrivateMemory {
    start: NonNull<libc::c_void>,
    len: NonZeroUsize,
}

impl PrivateMemory {
    #[doc(alias = "MADV_WIPEONFORK")]
    pub(crate) fn new(len: usize, inheritance: Inheritance) -> SysResult<Self> {
        let len = NonZeroUsize::new(len).ok_or(SysError::new("mmap", Errno::EINVAL))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let start = retry("mmap", || {
            // SAFETY: the kernel chooses a free range, so no memory in use is replaced.
            unsafe { nix::sys::mman::mmap_anonymous(None, len, protection, flags) }
        })?;
        let memory = Self { start, len };
        if inheritance == Inheritance::Wiped {
            retry("madvise(MADV_WIPEONFORK)", || {
                // SAFETY: the range is new, and nothing is stored in it yet.
                unsafe { nix::sys::mman::madvise(start, len.get(), MmapAdvise::MADV_WIPEONFORK) }
            })?;
        }
        Ok(memory)
    }

    pub(crate) fn start(&self) -> NonNull<libc::c_void> {
        self.start
    }

    /// Keeps the memory mapped until the process ends.
    pub(crate) fn leak(self) -> NonNull<libc::c_void> {
        std::mem::ManuallyDrop::new(self).start
    }
}

impl Drop for PrivateMemory {
    fn drop(&mut self) {
        // SAFETY: the range came from `mmap`, and nothing uses its address before `leak`.
        let _ = unsafe { nix::sys::mman::munmap(self.start, self.len.get()) };
    }
}
