//! Finds the participant id of this process from an address, in a nanosecond.
//!
//! # Synchronization
//!
//! The address space is divided into windows of 1 GiB, each with at most one segment that has claims. Two tables are
//! indexed by the window:
//!
//! - `tokens`: the id of this process in the segment of that window, and the number of its registration, or 0. A fork child
//!   finds zeros, so it cannot mistake its parent's ids for its own. Ids of different segments are often equal, but no two
//!   registrations of a process or of its ancestors have the same number. So a token is never used again.
//! - `registrations`: what this process knows about the segment. A fork child has a copy, as it has the segment too.
//!
//! A token is written after its lock is acquired, and cleared before the lock is released. A registration is written before
//! the handle exists and cleared when the handle is dropped. It is only reached through a handle, so it is valid as long as
//! the handle is borrowed.
//!
//! Registering takes a lock, for two reasons: only one of several threads should register, and no fork may happen in
//! between, or the child would inherit a token that is not hidden from it yet. So `fork` takes the lock too. With a lock of
//! the standard library a child would hang if another thread of its parent held it. This lock is in memory that is zeroed
//! in the child: by the kernel (`MADV_WIPEONFORK`), or by a hook after `fork` where the kernel cannot or an emulator only says so.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::participant::Registration;
use crate::sys::private_memory::{Inheritance, PrivateMemory};
use crate::sys::{Errno, SysError, SysResult, fork, thread};

/// The number of address bits within a window.
pub(super) const WINDOW_BITS: u32 = 30;
/// Covers 2^48 bytes: the whole address space of a 64-bit process that does not request more.
pub(super) const WINDOWS: usize = 1 << (48 - WINDOW_BITS);
/// The end of the last window.
pub(super) const LIMIT: usize = WINDOWS << WINDOW_BITS;

/// The number of pages in a window.
pub(super) const WINDOW_PAGES: usize = 1 << (WINDOW_BITS - 12);

/// The page before the tokens, of which four words are used.
const HEAD: usize = 4096 / size_of::<AtomicU64>();
/// The word that is the lock: the thread that holds it, or 0.
const LOCK: usize = 0;
/// The word for the thread that holds the lock during a `fork`.
const FORKING: usize = 1;
/// The word that is not 0 once the lock was taken in this process, and so once there may be an id.
const USED: usize = 2;
/// The word for what orders the commits of this process, which [`membarrier`](super::membarrier) writes.
const COMMIT_ORDER: usize = 3;

/// The tokens. Null until the first participant registers.
static TOKENS: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());
/// The number of the last registration. Fork children continue to count, and never see the numbers of each other.
static REGISTERED: AtomicU32 = AtomicU32::new(0);
/// The registrations.
static REGISTRATIONS: AtomicPtr<AtomicPtr<Registration>> = AtomicPtr::new(std::ptr::null_mut());
/// Whether the fork hooks are installed. Fork children inherit both the flag and the hooks.
static FORK_HOOKS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// The index of the window that contains an address. Addresses that no segment with claims has, from [`LIMIT`], have the index of
/// another one.
#[inline(always)]
pub(super) const fn window(address: usize) -> usize {
    (address >> WINDOW_BITS) % WINDOWS
}

/// The first address of a window.
pub(super) const fn window_start(window: usize) -> usize {
    window << WINDOW_BITS
}

/// A process's registration in a segment: the id, and in the upper half the number of the registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClaimToken(u64);

impl ClaimToken {
    /// That of no segment.
    pub(crate) const NONE: Self = Self(0);

    /// A new token for a participant of this id.
    fn new(id: u32) -> Self {
        let number = REGISTERED.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        Self(u64::from(number) << 32 | u64::from(id))
    }

    /// The id of this process in the segment, or 0 if it is not registered.
    #[inline(always)]
    pub(crate) const fn id(self) -> u32 {
        self.0 as u32
    }
}

/// A registration of this process, and the place where it is recorded: to find out whether it still holds without looking it
/// up by the address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registered {
    token: ClaimToken,
    place: &'static AtomicU64,
}

impl Registered {
    /// The registration in the segment at an address. [`ClaimToken::NONE`] if there is none, and `None` before the first one of
    /// this process.
    #[inline(always)]
    pub(crate) fn at(address: usize) -> Option<Self> {
        let place = place_at(address)?;
        Some(Self {
            token: ClaimToken(place.load(Ordering::Relaxed)),
            place,
        })
    }

    #[inline(always)]
    pub(crate) const fn token(self) -> ClaimToken {
        self.token
    }

    /// Whether this process is the one that had this registration, and not a fork child of it, and still has it. Two
    /// instructions.
    #[inline(always)]
    pub(crate) fn is_current(&self) -> bool {
        self.place.load(Ordering::Relaxed) == self.token.0
    }
}

/// The place where this process's registration in the segment at an address is recorded. `None` before the first one.
#[inline(always)]
fn place_at(address: usize) -> Option<&'static AtomicU64> {
    let window = window(address);
    let tokens = TOKENS.load(Ordering::Relaxed);
    if tokens.is_null() {
        return None;
    }
    // SAFETY: the table has `WINDOWS` entries, and `window` returns less.
    let token = unsafe { tokens.add(window) };
    // SAFETY: the table is never unmapped, zeros are valid, and it is only accessed atomically. It is mapped for every
    // thread that reads its address, because the system call that maps it returned before the address was stored.
    Some(unsafe { &*token })
}

/// The word for what orders the commits of this process. 0 in a fork child. `None` before the first registration.
#[inline(always)]
pub(super) fn commit_order() -> Option<&'static AtomicU64> {
    let tokens = TOKENS.load(Ordering::Relaxed);
    if tokens.is_null() {
        return None;
    }
    // SAFETY: within the page before the tokens.
    let word = unsafe { tokens.sub(HEAD - COMMIT_ORDER) };
    // SAFETY: as in `place_at`.
    Some(unsafe { &*word })
}

/// This process's registration in the segment at an address.
#[inline(always)]
pub(crate) fn token_at(address: usize) -> ClaimToken {
    place_at(address).map_or(ClaimToken::NONE, |place| {
        ClaimToken(place.load(Ordering::Relaxed))
    })
}

/// The id of this process in the segment at an address, or 0 if it is not registered.
#[inline(always)]
pub(crate) fn id_at(address: usize) -> u32 {
    token_at(address).id()
}

/// The tables, for all but the fast path of [`id_at`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    /// # Invariants
    ///
    /// 1. The `HEAD` entries before this and the `WINDOWS` entries at it are never unmapped and only accessed atomically.
    tokens: NonNull<AtomicU64>,
    /// 2. The same holds for `WINDOWS` entries at this.
    registrations: NonNull<AtomicPtr<Registration>>,
}

impl Tables {
    /// The tables, if they have been created.
    pub(super) fn get() -> Option<Self> {
        // The tokens are published after the registrations.
        let tokens = NonNull::new(TOKENS.load(Ordering::Acquire))?;
        let registrations = NonNull::new(REGISTRATIONS.load(Ordering::Acquire))?;
        Some(Self {
            tokens,
            registrations,
        })
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
        let len = (HEAD + WINDOWS) * size_of::<AtomicU64>();
        // Kernels before 4.14 do not wipe memory. Then the hook does it alone.
        let tokens = PrivateMemory::new(len, Inheritance::Wiped)
            .or_else(|_| PrivateMemory::new(len, Inheritance::Copied))?;
        publish(&TOKENS, tokens, HEAD);
        Self::get().ok_or(SysError::new("mmap", Errno::ENOMEM))
    }

    fn token(&self, window: usize) -> Option<&AtomicU64> {
        if window >= WINDOWS {
            return None;
        }
        // SAFETY: within the table (invariant 1).
        let token = unsafe { self.tokens.add(window) };
        // SAFETY: invariant 1, and zeros are valid.
        Some(unsafe { token.as_ref() })
    }

    /// A word of the page before the tokens, [`HEAD`].
    fn head(&self, number: usize) -> &AtomicU64 {
        debug_assert!(number < HEAD);
        // SAFETY: within the page (invariant 1).
        let word = unsafe { self.tokens.sub(HEAD) };
        // SAFETY: within the page, as all callers pass one of the four numbers.
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

    /// Whether a segment has the window.
    pub(super) fn is_used(&self, window: usize) -> bool {
        self.registration(window)
            .is_some_and(|entry| !entry.load(Ordering::Relaxed).is_null())
    }

    /// The id of this process in the segment of a window, or 0.
    pub(super) fn load_id(&self, window: usize) -> u32 {
        self.token(window)
            .map_or(0, |token| ClaimToken(token.load(Ordering::Acquire)).id())
    }

    /// Stores this process's registration in the segment of these windows, with a new number.
    pub(super) fn store_id(&self, windows: Range<usize>, id: u32) {
        let token = ClaimToken::new(id);
        for window in windows {
            self.store(window, token);
        }
    }

    /// Clears the registration of these windows.
    pub(super) fn clear(&self, windows: Range<usize>) {
        for window in windows {
            self.store(window, ClaimToken::NONE);
        }
    }

    fn store(&self, window: usize, token: ClaimToken) {
        if let Some(entry) = self.token(window) {
            entry.store(token.0, Ordering::Release);
        }
    }

    /// Excludes other threads from registering, and forks. Fails with `EDEADLK` in a signal handler that has interrupted
    /// this thread's registration.
    pub(super) fn lock(self) -> SysResult<RegistrationGuard> {
        self.lock_for(thread())?;
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
        let (lock, me) = (self.head(LOCK), u64::from(me));
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
        let forking = tables.head(FORKING);
        forking.store(u64::from(me), Ordering::Relaxed);
    }
}

extern "C" fn after_fork() {
    let Some(tables) = Tables::get() else { return };
    let forking = tables.head(FORKING);
    if forking.load(Ordering::Relaxed) == u64::from(thread()) {
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
            tables.store(window, ClaimToken::NONE);
        }
    }
    for word in [COMMIT_ORDER, USED, FORKING, LOCK] {
        tables.head(word).store(0, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::fork::in_child;
    use crate::sys::test_support;

    /// Also after another registration in the same window, as of a segment that was mapped there later.
    #[test]
    fn a_registration_is_current_until_cleared_and_not_in_a_child() {
        let _alone = test_support::alone();
        let tables = Tables::get_or_create().unwrap();
        // No mapping is this far up.
        let windows = WINDOWS - 8..WINDOWS - 7;
        let address = window_start(WINDOWS - 8);
        let locked = tables.lock().unwrap();
        tables.store_id(windows.clone(), 7);
        drop(locked);
        let registered = Registered::at(address).unwrap();
        assert_eq!(registered.token().id(), 7);
        assert!(registered.is_current());
        assert_eq!(in_child(|| i32::from(registered.is_current())), 0);
        tables.clear(windows.clone());
        assert!(!registered.is_current());
        tables.store_id(windows.clone(), 7);
        assert!(!registered.is_current() && Registered::at(address).unwrap().is_current());
        tables.clear(windows);
    }

    /// As where the kernel does not wipe, or only says so.
    #[test]
    fn the_hook_in_a_child_forgets_what_was_not_wiped() {
        let _alone = test_support::alone();
        let tables = Tables::get_or_create().unwrap();
        let windows = WINDOWS - 12..WINDOWS - 10;
        let code = in_child(|| {
            // Sets what this process would have inherited.
            let locked = tables.lock().unwrap();
            tables.store_id(windows.clone(), 7);
            tables.head(FORKING).store(7, Ordering::Relaxed);
            let order = commit_order().unwrap();
            order.store(7, Ordering::Relaxed);
            std::mem::forget(locked);
            wipe_in_child();
            let is_registered = windows
                .into_iter()
                .any(|window| tables.load_id(window) != 0);
            let words = [COMMIT_ORDER, USED, FORKING, LOCK];
            let left = words.map(|word| tables.head(word).load(Ordering::Relaxed));
            let is_forgotten = order.load(Ordering::Relaxed) == 0 && left == [0; 4];
            i32::from(is_registered || !is_forgotten)
        });
        assert_eq!(code, 0);
    }

    fn is_asleep(thread: u32) -> bool {
        let path = format!("/proc/self/task/{thread}/stat");
        std::fs::read_to_string(path).is_ok_and(|text| text.contains(") S "))
    }

    /// Otherwise a child could have a token of its parent that is not hidden from it yet.
    #[test]
    fn a_fork_waits_for_the_registration_of_another_thread() {
        let _alone = test_support::alone();
        let tables = Tables::get_or_create().unwrap();
        let locked = tables.lock().unwrap();
        let (forking, released) = (AtomicU32::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let child = scope.spawn(|| {
                forking.store(thread(), Ordering::Release);
                in_child(|| i32::from(!released.load(Ordering::Acquire)))
            });
            // Until it waits: for the lock, or for a child that has not, and may be gone by now.
            while !is_asleep(forking.load(Ordering::Acquire)) && !child.is_finished() {
                std::thread::yield_now();
            }
            released.store(true, Ordering::Release);
            drop(locked);
            assert_eq!(child.join().unwrap(), 0);
        });
    }

    /// The situation in a signal handler that has interrupted a registration.
    #[test]
    fn relocking_fails_and_forking_keeps_the_lock() {
        let _alone = test_support::alone();
        let tables = Tables::get_or_create().unwrap();
        // An earlier fork of this thread, which had the lock, must not count for the next.
        drop(tables.lock().unwrap());
        assert_eq!(in_child(|| 0), 0);
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
