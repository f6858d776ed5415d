//! Mappings of whole files.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags};

use super::{Errno, SysError, SysResult, retry, smaps};

/// A shared mapping of the first bytes of a file. Unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<libc::c_void>,
    len: NonZeroUsize,
    writable: bool,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it, and this type only returns its address.
unsafe impl Send for Mapping {}
// SAFETY: as above, and no method changes anything but kernel state.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of `file` for reading, and for writing if `writable`.
    pub(crate) fn new(file: &File, len: usize, writable: bool) -> SysResult<Self> {
        Self::map(file, len, writable, None)
    }

    /// Maps as [`new`](Self::new) does, at `address`. Returns `None` if the range is in use.
    #[doc(alias = "MAP_FIXED_NOREPLACE")]
    pub(crate) fn at(
        file: &File,
        len: usize,
        writable: bool,
        address: NonZeroUsize,
    ) -> SysResult<Option<Self>> {
        match Self::map(file, len, writable, Some(address)) {
            // Kernels before 4.17 ignore the flag and take the address as a hint.
            Ok(mapping) if mapping.start().addr() != address => Ok(None),
            Ok(mapping) => Ok(Some(mapping)),
            Err(error) if error.errno == Errno::EEXIST => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[doc(alias = "mmap")]
    fn map(
        file: &File,
        len: usize,
        writable: bool,
        address: Option<NonZeroUsize>,
    ) -> SysResult<Self> {
        let len = NonZeroUsize::new(len).ok_or(SysError::new("mmap", Errno::EINVAL))?;
        let mut protection = ProtFlags::PROT_READ;
        if writable {
            protection |= ProtFlags::PROT_WRITE;
        }
        let mut flags = MapFlags::MAP_SHARED;
        if address.is_some() {
            flags |= MapFlags::MAP_FIXED_NOREPLACE;
        }
        let start = retry("mmap", || {
            // SAFETY: the kernel chooses a free range, or uses the given one only if it is free, so no memory in use is
            // replaced.
            unsafe { nix::sys::mman::mmap(address, len, protection, flags, file, 0) }
        })?;
        Ok(Self {
            start,
            len,
            writable,
        })
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.cast()
    }

    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Requests huge pages, as advice: a kernel without support ignores it.
    #[doc(alias = "MADV_HUGEPAGE")]
    pub(crate) fn advise_huge_pages(&self) {
        // An error has no consequence but speed.
        let _ = self.advise(MmapAdvise::MADV_HUGEPAGE);
    }

    /// Bytes that the kernel maps by huge pages at present.
    pub(crate) fn huge_bytes(&self) -> SysResult<usize> {
        let start = self.start.addr().get();
        smaps::huge_bytes(&(start..start + self.len.get()))
    }

    /// Makes every page present now. Does nothing on kernels before 5.14.
    #[doc(alias = "MADV_POPULATE_WRITE")]
    pub(crate) fn populate(&self) -> SysResult<()> {
        let advice = if self.writable {
            MmapAdvise::MADV_POPULATE_WRITE
        } else {
            MmapAdvise::MADV_POPULATE_READ
        };
        match self.advise(advice) {
            Err(error) if error.errno == Errno::EINVAL => Ok(()),
            other => other,
        }
    }

    /// Locks every page in memory until the mapping is dropped.
    #[doc(alias = "mlock")]
    pub(crate) fn lock_in_memory(&self) -> SysResult<()> {
        retry("mlock", || {
            // SAFETY: the range is this mapping, and locking changes no contents.
            unsafe { nix::sys::mman::mlock(self.start, self.len.get()) }
        })
    }

    #[doc(alias = "madvise")]
    fn advise(&self, advice: MmapAdvise) -> SysResult<()> {
        retry("madvise", || {
            // SAFETY: the range is this mapping, and none of the advice passed here changes contents.
            unsafe { nix::sys::mman::madvise(self.start, self.len.get(), advice) }
        })
    }
}

impl Drop for Mapping {
    #[doc(alias = "munmap")]
    fn drop(&mut self) {
        // SAFETY: the range came from `mmap`, and the owner of this value no longer uses pointers into it. The call fails
        // only for an invalid range.
        let _ = unsafe { nix::sys::mman::munmap(self.start, self.len.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{file, memfd};
    use std::sync::atomic::{AtomicU8, Ordering};

    fn byte(mapping: &Mapping) -> &AtomicU8 {
        // SAFETY: the mapping is at least one byte long, lives as long as the borrow, and is only accessed atomically.
        unsafe { AtomicU8::from_ptr(mapping.start().as_ptr()) }
    }

    #[test]
    fn two_mappings_of_a_file_share_its_bytes() {
        let memfd = memfd::create("map").unwrap();
        file::set_len(&memfd, 8192).unwrap();
        let writer = Mapping::new(&memfd, 8192, true).unwrap();
        let reader = Mapping::new(&memfd, 8192, false).unwrap();
        writer.advise_huge_pages();
        writer.populate().unwrap();
        reader.populate().unwrap();
        assert!(writer.is_writable() && !reader.is_writable());
        assert_eq!((writer.len(), reader.len()), (8192, 8192));
        byte(&writer).store(77, Ordering::Relaxed);
        assert_eq!(byte(&reader).load(Ordering::Relaxed), 77);
        drop(writer);
        assert_eq!(byte(&reader).load(Ordering::Relaxed), 77);
    }

    #[test]
    fn a_small_mapping_can_be_locked_in_memory() {
        let memfd = memfd::create("mlock").unwrap();
        file::set_len(&memfd, 4096).unwrap();
        Mapping::new(&memfd, 4096, true)
            .unwrap()
            .lock_in_memory()
            .unwrap();
    }

    #[test]
    fn mapping_at_a_used_address_replaces_nothing() {
        let memfd = memfd::create("place").unwrap();
        file::set_len(&memfd, 4096).unwrap();
        let first = Mapping::new(&memfd, 4096, true).unwrap();
        let address = first.start().addr();
        assert!(Mapping::at(&memfd, 4096, true, address).unwrap().is_none());
        byte(&first).store(1, Ordering::Relaxed);
    }

    #[test]
    fn an_empty_mapping_is_an_error() {
        let memfd = memfd::create("empty").unwrap();
        assert_eq!(
            Mapping::new(&memfd, 0, true).unwrap_err().errno,
            Errno::EINVAL
        );
    }
}
