//! Memory of this process alone, zeroed, with a say in what a fork child gets of it.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags};

use super::{Errno, SysError, SysResult, retry};

/// What a fork child finds at the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inheritance {
    /// A copy, as of all memory.
    Copied,
    /// Zeros.
    Wiped,
}

/// Zeroed pages, which take memory only once they are written. Dropping it unmaps them.
#[derive(Debug)]
pub(crate) struct Private {
    start: NonNull<libc::c_void>,
    len: NonZeroUsize,
}

impl Private {
    #[doc(alias = "MADV_WIPEONFORK")]
    pub(crate) fn new(len: usize, inheritance: Inheritance) -> SysResult<Self> {
        let len = NonZeroUsize::new(len).ok_or(SysError::new("mmap", Errno::EINVAL))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let start = retry("mmap", || {
            // SAFETY: the kernel chooses a free address, so no memory that is in use changes.
            unsafe { nix::sys::mman::mmap_anonymous(None, len, protection, flags) }
        })?;
        let memory = Self { start, len };
        if inheritance == Inheritance::Wiped {
            retry("madvise(MADV_WIPEONFORK)", || {
                // SAFETY: the range is new, and nothing is in it yet.
                unsafe { nix::sys::mman::madvise(start, len.get(), MmapAdvise::MADV_WIPEONFORK) }
            })?;
        }
        Ok(memory)
    }

    pub(crate) fn start(&self) -> NonNull<libc::c_void> {
        self.start
    }

    /// Keeps the memory for the rest of the process's life.
    pub(crate) fn leak(self) -> NonNull<libc::c_void> {
        std::mem::ManuallyDrop::new(self).start
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // SAFETY: the range came from `mmap`, and who has its address uses it only after `leak`.
        let _ = unsafe { nix::sys::mman::munmap(self.start, self.len.get()) };
    }
}
