//! Shared memory by the system calls alone, as a C program would do it.

use std::ffi::{CStr, CString, c_void};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap, shm_open, shm_unlink};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::ftruncate;

use crate::harness::Result;

/// The distance of two places for objects.
const PLACE: usize = 128;
const LEN: NonZero<usize> = NonZero::new(4096).unwrap();

/// A shared page for objects of C.
pub(crate) struct Memory {
    start: NonNull<c_void>,
    created: Option<CString>,
}

// SAFETY: the page is shared memory. What is constructed in it can be used by several threads, as by several processes.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeros without a name.
    pub(crate) fn anonymous() -> Result<Self> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses a free address, so no existing mapping changes.
        let start = unsafe { mmap_anonymous(None, LEN, protection, MapFlags::MAP_SHARED) }?;
        Ok(Self {
            start,
            created: None,
        })
    }

    /// Zeros with a name, which dropping removes.
    pub(crate) fn create(name: &str) -> Result<Self> {
        let name = CString::new(name)?;
        let file = create(&name, LEN.get())?;
        let start = map(&file, LEN)?;
        Ok(Self {
            start,
            created: Some(name),
        })
    }

    /// What another process has created.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let file = open(&CString::new(name)?)?;
        let start = map(&file, LEN)?;
        Ok(Self {
            start,
            created: None,
        })
    }

    /// One of the 32 places of 128 bytes.
    pub(crate) fn at(&self, place: usize) -> *mut c_void {
        assert!(place < LEN.get() / PLACE);
        // SAFETY: the place is inside the page.
        unsafe { self.start.as_ptr().byte_add(place * PLACE) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: nothing uses the page afterwards.
        let _ = unsafe { munmap(self.start, LEN.get()) };
        if let Some(name) = &self.created {
            let _ = shm_unlink(name.as_c_str());
        }
    }
}

/// `shm_open` and `ftruncate`.
pub(crate) fn create(name: &CStr, len: usize) -> Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
    let file = shm_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
    ftruncate(&file, len.try_into()?)?;
    Ok(file)
}

/// `shm_open`.
pub(crate) fn open(name: &CStr) -> Result<OwnedFd> {
    Ok(shm_open(name, OFlag::O_RDWR, Mode::empty())?)
}

/// `mmap`.
pub(crate) fn map(file: &OwnedFd, len: NonZero<usize>) -> Result<NonNull<c_void>> {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses a free address, so no existing mapping changes.
    Ok(unsafe { mmap(None, len, protection, MapFlags::MAP_SHARED, file, 0) }?)
}

/// Six calls: creates, sizes, maps, writes to, unmaps, closes and unlinks a segment.
pub(crate) fn create_and_remove(name: &CStr, len: NonZero<usize>) -> Result<()> {
    let file = create(name, len.get())?;
    let start = map(&file, len)?;
    // SAFETY: the page is mapped, and nothing else accesses it.
    unsafe { start.cast::<u64>().write_volatile(1) };
    // SAFETY: nothing uses the mapping afterwards.
    unsafe { munmap(start, len.get()) }?;
    drop(file);
    Ok(shm_unlink(name)?)
}

/// Opens, checks the size of, maps, reads, unmaps and closes a segment.
pub(crate) fn attach_and_detach(name: &CStr, len: NonZero<usize>) -> Result<u64> {
    let file = open(name)?;
    if fstat(&file)?.st_size < len.get().try_into()? {
        return Err("the segment is too short".into());
    }
    let start = map(&file, len)?;
    // SAFETY: the page is mapped, and numbers have no invalid values.
    let value = unsafe { start.cast::<u64>().read_volatile() };
    // SAFETY: nothing uses the mapping afterwards.
    unsafe { munmap(start, len.get()) }?;
    Ok(value)
}
