//! Which participant this process is, found from an address in a nanosecond.
//!
//! # Synchronization
//!
//! Address space is divided into windows of 1 GiB, and in each lies at most one segment that has claims. Two tables are
//! indexed by the window:
//!
//! - `ids`: the id of this process in the segment of that window, or 0. A fork child finds zeros, so it cannot mistake its
//!   parent's ids for its own.
//! - `registrations`: what is known of the segment. A fork child has a copy, because it has the segment too.
//!
//! An id is written after its lock is held, and cleared before it is given up. A registration is written before the handle
//! exists and cleared when it goes, and only handles lead here, so whoever finds one may use it as long as it borrows the
//! handle.
//!
//! Registering takes a lock, for two reasons. Of two threads only one should do it, and no fork may come in between, or the
//! child would inherit a token that is not yet kept from it; so `fork` takes the lock too. A lock of the standard library
//! would hang a child whose parent's sibling thread held it. This one lies in memory that the child finds zeroed.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use super::participant::Registration;
use crate::sys::private_memory::{Inheritance, PrivateMemory};
use crate::sys::{Errno, SysError, SysResult, fork, thread};

/// Bits of an address below its window's number.
const WINDOW_BITS: u32 = 30;
/// 2^48 bytes: all that processors of 64 bits give to a program that does not ask for more.
const WINDOWS: usize = 1 << (48 - WINDOW_BITS);

/// The page before the ids has the lock in its first word and, in its second, the thread that holds it for `fork`.
const HEAD: usize = 4096 / size_of::<AtomicU32>();

/// The ids; null until the first participant registers.
static IDS: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());
/// The registrations.
static REGISTRATIONS: AtomicPtr<AtomicPtr<Registration>> = AtomicPtr::new(std::ptr::null_mut());
/// Whether `fork` knows of the lock. Inherited, as is what it stands for.
static FORK_KNOWS: AtomicBool = AtomicBool::new(false);

/// The number of the window that an address lies in.
#[inline(always)]
pub(super) const fn window(address: usize) -> usize {
    address >> WINDOW_BITS
}

/// The first address of a window.
pub(super) const fn window_start(window: usize) -> usize {
    window << WINDOW_BITS
}

/// The id of this process in the segment at an address; 0 where it has to be looked for.
#[inline(always)]
pub(crate) fn id_at(address: usize) -> u32 {
    let window = window(address);
    let ids = IDS.load(Ordering::Relaxed);
    if ids.is_null() || window >= WINDOWS {
        return 0;
    }
    // SAFETY: the table has as many entries as there are windows.
    let id = unsafe { ids.add(window) };
    // SAFETY: the table is never unmapped, zeroes are values, and it is only accessed atomically. It is seen as mapped
    // by who reads its address: mapping it is a system call, before the address was stored.
    let id = unsafe { &*id };
    id.load(Ordering::Relaxed)
}

/// The tables, for everything but the fast path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    /// # Invariants
    ///
    /// 1. `HEAD` entries before this and `WINDOWS` from it on are mapped for ever, and only accessed atomically.
    ids: NonNull<AtomicU32>,
    /// 2. `WINDOWS` entries, likewise.
    registrations: NonNull<AtomicPtr<Registration>>,
}

impl Tables {
    /// The tables, if there are any.
    pub(super) fn get() -> Option<Self> {
        // The ids are published last.
        let ids = NonNull::new(IDS.load(Ordering::Acquire))?;
        let registrations = NonNull::new(REGISTRATIONS.load(Ordering::Acquire))?;
        Some(Self { ids, registrations })
    }

    /// The tables, made if need be.
    pub(super) fn make() -> SysResult<Self> {
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
        let ids = PrivateMemory::new(
            (HEAD + WINDOWS) * size_of::<AtomicU32>(),
            Inheritance::Wiped,
        )?;
        publish(&IDS, ids, HEAD);
        Self::get().ok_or(SysError::new("mmap", Errno::ENOMEM))
    }

    fn id(&self, window: usize) -> Option<&AtomicU32> {
        if window >= WINDOWS {
            return None;
        }
        // SAFETY: within the table (invariant 1).
        let id = unsafe { self.ids.add(window) };
        // SAFETY: invariant 1; zeroes are a value.
        Some(unsafe { id.as_ref() })
    }

    /// A word of the page before the ids.
    fn head(&self, number: usize) -> &AtomicU32 {
        debug_assert!(number < HEAD);
        // SAFETY: within the page (invariant 1).
        let word = unsafe { self.ids.sub(HEAD) };
        // SAFETY: as above, and `number` is less than the page has words.
        let word = unsafe { word.add(number) };
        // SAFETY: invariant 1; zeroes are a value.
        unsafe { word.as_ref() }
    }

    /// The registration of a window.
    pub(super) fn registration(&self, window: usize) -> Option<&AtomicPtr<Registration>> {
        if window >= WINDOWS {
            return None;
        }
        // SAFETY: within the table (invariant 2).
        let registration = unsafe { self.registrations.add(window) };
        // SAFETY: invariant 2; zeroes are null.
        Some(unsafe { registration.as_ref() })
    }

    /// The id that stands for a window.
    pub(super) fn known(&self, window: usize) -> u32 {
        self.id(window).map_or(0, |id| id.load(Ordering::Acquire))
    }

    /// Writes the id that stands for a window.
    pub(super) fn publish(&self, window: usize, id: u32) {
        if let Some(entry) = self.id(window) {
            entry.store(id, Ordering::Release);
        }
    }

    /// Holds off every other thread that registers and every fork. Fails in a signal handler that has interrupted
    /// just that.
    pub(super) fn lock(self) -> SysResult<Locked> {
        let me = thread();
        self.acquire(me)?;
        let locked = Locked(self);
        // Under the lock, so that it is done once.
        if !FORK_KNOWS.load(Ordering::Acquire) {
            fork::at_fork(before_fork, after_fork)?;
            FORK_KNOWS.store(true, Ordering::Release);
        }
        Ok(locked)
    }

    fn acquire(&self, me: u32) -> SysResult<()> {
        let lock = self.head(0);
        while let Err(holder) = lock.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            if holder == me {
                return Err(SysError::new("registering", Errno::EDEADLK));
            }
            // It is held for some microseconds, and seldom.
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }
}

/// The registration lock, held.
pub(super) struct Locked(Tables);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.head(0).store(0, Ordering::Release);
    }
}

/// Publishes a table. Who is second gives its own back.
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
    // Where a signal handler that has interrupted a registration forks, the child may keep its parent's token alive
    // until it ends. That is better than a fork that never returns.
    if tables.acquire(me).is_ok() {
        tables.head(1).store(me, Ordering::Relaxed);
    }
}

extern "C" fn after_fork() {
    let Some(tables) = Tables::get() else { return };
    let forking = tables.head(1);
    if forking.load(Ordering::Relaxed) == thread() {
        forking.store(0, Ordering::Relaxed);
        drop(Locked(tables));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::fork::in_child;
    use crate::sys::test_support;

    /// What a signal handler meets that has interrupted a registration.
    #[test]
    fn a_thread_that_is_registering_neither_waits_for_itself_nor_gives_its_lock_up_by_forking() {
        let _alone = test_support::alone();
        let tables = Tables::make().unwrap();
        let locked = tables.lock().unwrap();
        let again = tables.lock().map(drop).unwrap_err();
        assert_eq!(again.errno, Errno::EDEADLK);
        // The child finds the lock free.
        assert_eq!(in_child(|| i32::from(tables.lock().is_err())), 0);
        assert_eq!(tables.lock().map(drop).unwrap_err().errno, Errno::EDEADLK);
        drop(locked);
        assert_eq!(in_child(|| i32::from(tables.lock().is_err())), 0);
        // After a fork too it is free.
        drop(tables.lock().unwrap());
    }
}
