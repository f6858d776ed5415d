//! Finds the participant id of this process from an address, in a nanosecond.
//!
//! # Synchronization
//!
//! The address space is divided into windows of 1 GiB, each with at most one segment that has claims. Two tables are
//! indexed by the window:
//!
//! - `ids`: the id of this process in the segment of that window, or 0. A fork child finds zeros, so it cannot mistake its
//!   parent's ids for its own.
//! - `registrations`: what this process knows about the segment. A fork child has a copy, as it has the segment too.
//!
//! An id is written after its lock is acquired, and cleared before the lock is released. A registration is written before
//! the handle exists and cleared when the handle is dropped. It is only reached through a handle, so it is valid as long as
//! the handle is borrowed.
//!
//! Registering takes a lock, for two reasons: only one of several threads should register, and no fork may happen in
//! between, or the child would inherit a token that is not hidden from it yet. So `fork` takes the lock too. With a lock of
//! the standard library a child would hang if another thread of its parent held it. This lock is in memory that is zeroed
//! in the child: by the kernel (`MADV_WIPEONFORK`), or by a hook after `fork` where the kernel cannot or an emulator only says so.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use super::participant::Registration;
use crate::sys::private_memory::{Inheritance, PrivateMemory};
use crate::sys::{Errno, SysError, SysResult, fork, thread};

/// The number of address bits within a window.
const WINDOW_BITS: u32 = 30;
/// Covers 2^48 bytes: the whole address space of a 64-bit process that does not request more.
pub(super) const WINDOWS: usize = 1 << (48 - WINDOW_BITS);

/// The number of pages in a window.
pub(super) const WINDOW_PAGES: usize = 1 << (WINDOW_BITS - 12);

/// The page before the ids, of which three words are used.
const HEAD: usize = 4096 / size_of::<AtomicU32>();
/// The word that is the lock: the thread that holds it, or 0.
const LOCK: usize = 0;
/// The word for the thread that holds the lock during a `fork`.
const FORKING: usize = 1;
/// The word that is not 0 once the lock was taken in this process, and so once there may be an id.
const USED: usize = 2;

/// The ids. Null until the first participant registers.
static IDS: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());
/// The registrations.
static REGISTRATIONS: AtomicPtr<AtomicPtr<Registration>> = AtomicPtr::new(std::ptr::null_mut());
/// Whether the fork hooks are installed. Fork children inherit both the flag and the hooks.
static FORK_HOOKS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// The index of the window that contains an address.
#[inline(always)]
pub(super) const fn window(address: usize) -> usize {
    address >> WINDOW_BITS
}

/// The first address of a window.
pub(super) const fn window_start(window: usize) -> usize {
    window << WINDOW_BITS
}

/// The id of this process in the segment at an address, or 0 if it is not registered.
#[inline(always)]
pub(crate) fn id_at(address: usize) -> u32 {
    let window = window(address);
    let ids = IDS.load(Ordering::Relaxed);
    if ids.is_null() || window >= WINDOWS {
        return 0;
    }
    // SAFETY: the table has `WINDOWS` entries.
    let id = unsafe { ids.add(window) };
    // SAFETY: the table is never unmapped, zeros are valid, and it is only accessed atomically. It is mapped for every
    // thread that reads its address, because the system call that maps it returned before the address was stored.
    let id = unsafe { &*id };
    id.load(Ordering::Relaxed)
}

/// The tables, for all but the fast path of [`id_at`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    /// # Invariants
    ///
    /// 1. The `HEAD` entries before this and the `WINDOWS` entries at it are never unmapped and only accessed atomically.
    ids: NonNull<AtomicU32>,
    /// 2. The same holds for `WINDOWS` entries at this.
    registrations: NonNull<AtomicPtr<Registration>>,
}

impl Tables {
    /// The tables, if they have been created.
    pub(super) fn get() -> Option<Self> {
        // The ids are published after the registrations.
        let ids = NonNull::new(IDS.load(Ordering::Acquire))?;
        let registrations = NonNull::new(REGISTRATIONS.load(Ordering::Acquire))?;
        Some(Self { ids, registrations })
    }

    /// The tables, created if necessary.
    pub(super) fn get_or_create() -> SysResult<Self> {
        if let Some(tables) = Self::get() {
            return Ok(tables);
        }
        if REGISTRATIONS.load(Ordering::Acquire).is_null() {
            let registrations = PrivateMemory::new(
                WINDOWS * size_of::<AtomicPtr<Registration>>(),
                Inheritance::Copied,
            )?;
            publish(&REGISTRATIONS, registrations, 0);
        }
        let ids_len = (HEAD + WINDOWS) * size_of::<AtomicU32>();
        // Kernels before 4.14 do not wipe memory. Then the hook does it alone.
        let ids = PrivateMemory::new(ids_len, Inheritance::Wiped)
            .or_else(|_| PrivateMemory::new(ids_len, Inheritance::Copied))?;
        publish(&IDS, ids, HEAD);
        Self::get().ok_or(SysError::new("mmap", Errno::ENOMEM))
    }

    fn id(&self, window: usize) -> Option<&AtomicU32> {
        if window >= WINDOWS {
            return None;
        }
        // SAFETY: within the table (invariant 1).
        let id = unsafe { self.ids.add(window) };
        // SAFETY: invariant 1, and zeros are valid.
        Some(unsafe { id.as_ref() })
    }

    /// A word of the page before the ids, [`HEAD`].
    fn head(&self, number: usize) -> &AtomicU32 {
        debug_assert!(number < HEAD);
        // SAFETY: within the page (invariant 1).
        let word = unsafe { self.ids.sub(HEAD) };
        // SAFETY: within the page, as all callers pass `LOCK`, `FORKING` or `USED`.
        let word = unsafe { word.add(number) };
        // SAFETY: invariant 1, and zeros are valid.
        unsafe { word.as_ref() }
    }

    /// The entry for the registration in a window's segment.
    pub(super) fn registration(&self, window: usize) -> Option<&AtomicPtr<Registration>> {
        if window >= WINDOWS {
            return None;
        }
        // SAFETY: within the table (invariant 2).
        let registration = unsafe { self.registrations.add(window) };
        // SAFETY: invariant 2, and zeros are null pointers.
        Some(unsafe { registration.as_ref() })
    }

    /// The id of this process in the segment of a window, or 0.
    pub(super) fn load_id(&self, window: usize) -> u32 {
        self.id(window).map_or(0, |id| id.load(Ordering::Acquire))
    }

    /// Stores the id of this process in the segment of a window.
    pub(super) fn store_id(&self, window: usize, id: u32) {
        if let Some(entry) = self.id(window) {
            entry.store(id, Ordering::Release);
        }
    }

    /// Excludes other threads from registering, and forks. Fails with `EDEADLK` in a signal handler that has interrupted
    /// this thread's registration.
    pub(super) fn lock(self) -> SysResult<RegistrationGuard> {
        let me = thread();
        self.lock_for(me)?;
        let locked = RegistrationGuard(self);
        self.head(USED).store(1, Ordering::Relaxed);
        // Under the lock, so that the hooks are installed once.
        if !FORK_HOOKS_INSTALLED.load(Ordering::Acquire) {
            fork::at_fork(Some(before_fork), Some(after_fork), Some(wipe_in_child))?;
            FORK_HOOKS_INSTALLED.store(true, Ordering::Release);
        }
        Ok(locked)
    }

    fn lock_for(&self, me: u32) -> SysResult<()> {
        let lock = self.head(LOCK);
        while let Err(holder) = lock.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            if holder == me {
                return Err(SysError::new("registering", Errno::EDEADLK));
            }
            // The lock is held rarely, and for microseconds.
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }
}

/// Holds the registration lock until dropped.
pub(super) struct RegistrationGuard(Tables);

impl Drop for RegistrationGuard {
    fn drop(&mut self) {
        self.0.head(LOCK).store(0, Ordering::Release);
    }
}

/// Publishes a table, or frees it if another thread has published one already.
fn publish<T>(place: &AtomicPtr<T>, memory: PrivateMemory, skipped: usize) {
    let start = memory.start().cast::<T>().as_ptr().wrapping_add(skipped);
    let published = place.compare_exchange(
        std::ptr::null_mut(),
        start,
        Ordering::AcqRel,
        Ordering::Acquire,
    );
    if published.is_ok() {
        memory.leak();
    }
}

extern "C" fn before_fork() {
    let Some(tables) = Tables::get() else { return };
    let me = thread();
    // If a signal handler that has interrupted a registration forks, the child may keep its parent's token alive until it
    // exits. That is better than a fork that never returns.
    if tables.lock_for(me).is_ok() {
        tables.head(FORKING).store(me, Ordering::Relaxed);
    }
}

extern "C" fn after_fork() {
    let Some(tables) = Tables::get() else { return };
    let forking = tables.head(FORKING);
    if forking.load(Ordering::Relaxed) == thread() {
        forking.store(0, Ordering::Relaxed);
        drop(RegistrationGuard(tables));
    }
}

/// Does what the kernel has not done. It looks at every entry, which is slow, but only if there is something to do.
extern "C" fn wipe_in_child() {
    let Some(tables) = Tables::get() else { return };
    if tables.head(USED).load(Ordering::Relaxed) == 0 {
        return;
    }
    for window in 0..WINDOWS {
        // Storing would give each page its own memory.
        if tables.load_id(window) != 0 {
            tables.store_id(window, 0);
        }
    }
    for word in [USED, FORKING, LOCK] {
        tables.head(word).store(0, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::fork::in_child;
    use crate::sys::test_support;

    /// The situation in a signal handler that has interrupted a registration.
    #[test]
    fn relocking_fails_and_forking_keeps_the_lock() {
        let _alone = test_support::alone();
        let tables = Tables::get_or_create().unwrap();
        let locked = tables.lock().unwrap();
        let again = tables.lock().map(drop).unwrap_err();
        assert_eq!(again.errno, Errno::EDEADLK);
        // The child finds the lock free.
        assert_eq!(in_child(|| i32::from(tables.lock().is_err())), 0);
        assert_eq!(tables.lock().map(drop).unwrap_err().errno, Errno::EDEADLK);
        drop(locked);
        assert_eq!(in_child(|| i32::from(tables.lock().is_err())), 0);
        // The lock is free after a fork, too.
        drop(tables.lock().unwrap());
    }
}
