//! The mutex.
//!
//! # Synchronization
//!
//! | place | what |
//! |---|---|
//! | `claim` | the claim word: who has the lock. [`crate::protocol::claim_word`] has its states, orderings and crash story |
//! | `value` | cells, accessed with relaxed ordering by the owner between its acquiring claim and its releasing drop |
//!
//! Killed in between, an owner leaves `value` as it is. Its successor takes the claim over with `POISON` set, is told
//! so, and releases with `POISON` again unless it has called `mark_consistent`.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use crate::access::{Access, ReadOnly, ReadWrite, Writable};
use crate::cell::ShmCell;
use crate::claim::word::{ClaimWord, Held, Timeout};
use crate::diagnostics::{LetsGoOf, SharedMemory, refused_as_a_whole};
use crate::primitive::AtomicU32;
use crate::shm_layout::ShmLayout;
use crate::sync::LockError;
use crate::sync::layout::sync_layout;
use crate::sync::panic_check::PanicCheck;
use crate::sys::clock::Deadline;

/// A lock around a value, that processes share and that survives the death of its owner.
///
/// [`lock`](Self::lock) gives a guard through which the value's cells are read and written; dropping the guard unlocks.
/// When the owner is killed the next one gets the lock all the same, and is told so by [`LockError::OwnerDied`].
///
/// Waiters make progress, but there is no promise of fairness. A thread that locks what it has locked already waits for
/// itself, for ever with [`lock`](Self::lock).
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::{LockError, Mutex};
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Accounts { transfers: Mutex<[i64; 2]> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Accounts::create_anonymous()?;
/// let balance = match shm.transfers.lock() {
///     Ok(guard) => guard,
///     Err(LockError::OwnerDied(mut guard)) => {
///         // Half a transfer may be in there: bring it in order, then say so.
///         guard.store([0, 0]);
///         guard.mark_consistent();
///         guard
///     }
///     Err(error) => return Err(error.to_string().into()),
/// };
/// balance[0].set(balance[0].get() - 10);
/// balance[1].set(balance[1].get() + 10);
/// # Ok(()) }
/// ```
///
/// [`LockError::recover`] says the same in fewer words. Through a read-only handle there is nothing to lock with, only
/// [`unlocked`](Self::unlocked).
///
/// # Memory ordering
///
/// Who has the lock sees everything that those did who had it before, also one that was killed with it.
///
/// # When a process dies
///
/// - **The owner**: the next one gets the lock, as [`LockError::OwnerDied`] with the guard. Who waits looks every 50 ms, so it
///   takes up to that long after the kernel has released what the dead process had; one that crashes is only dead when its
///   core file is written. The value is as it was left, perhaps half changed. Until somebody calls
///   [`mark_consistent`](MutexGuard::mark_consistent), the owners that follow are told as well.
/// - **An owner that panics** with the guard: the same, as soon as the guard is dropped.
/// - **Who waits**: nothing. If it was just being woken, another one looks within 50 ms.
/// - A process that is only stopped lives, and keeps the lock.
/// - In a fork child an inherited guard still leads to the value, but the lock is the parent's, and dropping it does nothing.
///
/// # What a peer can do
///
/// One that may write the segment can change the value without the lock, and the lock itself: so that two have it, so that
/// somebody seems to have died, or so that [`lock`](Self::lock) waits until that peer has ended, or for ever.
/// [`try_lock`](Self::try_lock) and [`lock_timeout`](Self::lock_timeout) end all the same.
///
/// # Cost
///
/// Taking a lock that nobody else wants, and releasing it, is one compare-and-swap each, without a system call. Who finds it
/// taken looks again for a moment and then sleeps; who releases it beside a sleeper makes one system call to wake one. The lock
/// takes 4 bytes in front of the value, or as many as the value's alignment.
#[repr(C)]
pub struct Mutex<T, A: Access = ReadWrite> {
    claim: ClaimWord,
    value: ShmCell<T, A>,
}
refused_as_a_whole!([T] Mutex<T>);

sync_layout! {
    impl[T: ShmLayout] Mutex[T], MUTEX.claiming();
    claim at claim: AtomicU32::LAYOUT;
    value at value: T::LAYOUT;
}

impl<T: ShmLayout, A: Access> Mutex<T, A> {
    /// Locks, waiting as long as a living owner has the lock.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](LockError::OwnerDied) with the guard; [`Unregistered`](LockError::Unregistered).
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>>
    where
        A: Writable,
    {
        self.writable().within(Timeout::Never)
    }

    /// Locks if no living owner has the lock. It never waits, but may look whether the owner lives: a system call.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](LockError::OwnerDied) with the guard; [`WouldBlock`](LockError::WouldBlock);
    /// [`Unregistered`](LockError::Unregistered).
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>>
    where
        A: Writable,
    {
        self.writable().within(Timeout::Now)
    }

    /// Locks, waiting for at most `timeout` on the monotonic clock.
    ///
    /// However short the timeout is, a dead owner is found before it ends.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](LockError::OwnerDied) with the guard; [`TimedOut`](LockError::TimedOut);
    /// [`Unregistered`](LockError::Unregistered).
    #[inline]
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>>
    where
        A: Writable,
    {
        let mutex = self.writable();
        match mutex.claim.claim_free() {
            Some(held) => Ok(MutexGuard::new(mutex, held)),
            None => mutex.contended(Timeout::At(Deadline::after(timeout))),
        }
    }

    #[inline(always)]
    fn writable(&self) -> &Mutex<T>
    where
        A: Writable,
    {
        let mutex = std::ptr::from_ref(self).cast::<Mutex<T>>();
        // SAFETY: `A`, which has no bytes, is `ReadWrite`: nothing else is `Writable`.
        unsafe { &*mutex }
    }
}

impl<T: ShmLayout> Mutex<T> {
    #[inline(always)]
    fn within(&self, timeout: Timeout) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        match self.claim.claim_free() {
            Some(held) => Ok(MutexGuard::new(self, held)),
            None => self.contended(timeout),
        }
    }

    #[cold]
    fn contended(
        &self,
        timeout: Timeout,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        match self.claim.claim(timeout) {
            Ok(held) if held.poisoned => Err(LockError::OwnerDied(MutexGuard::new(self, held))),
            Ok(held) => Ok(MutexGuard::new(self, held)),
            Err(refused) => Err(LockError::refused(
                refused,
                matches!(timeout, Timeout::At(_)),
            )),
        }
    }
}

impl<T: ShmLayout, A: Access> Mutex<T, A> {
    /// The value without the lock, for looking on: an owner may be in the middle of changing it.
    #[must_use]
    #[inline]
    pub const fn unlocked(&self) -> &ShmCell<T, ReadOnly> {
        self.value.read_only()
    }
}

impl<T: ShmLayout, A: Access> fmt::Debug for Mutex<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// A lock that is held: the way to the value. Dropping it unlocks.
///
/// If its thread panics meanwhile, the next owner is told as if this one had died. Killed with it, the process leaves the
/// value as it is. In a fork child an inherited guard still leads to the value, but the lock is the parent's, and
/// dropping it does nothing.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::{LockError, Mutex};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let counts = Mutex::<[u64; 2]>::create_anonymous()?;
/// let guard = counts
///     .lock()
///     .or_else(|error| error.recover(|half_done| half_done.store([0, 0])))?;
/// guard[0].set(guard[0].get() + 1); // its cells
/// assert_eq!(guard.load(), [1, 0]); // all of it
/// assert!(matches!(counts.try_lock(), Err(LockError::WouldBlock)));
/// drop(guard);
/// assert!(counts.try_lock().is_ok());
/// # Ok(()) }
/// ```
#[must_use = "dropped at once, the guard unlocks at once"]
pub struct MutexGuard<'a, T: ShmLayout> {
    mutex: &'a Mutex<T>,
    /// The id that the lock is held by.
    me: u32,
    /// Whether the next owner is to be told that something is left half done.
    poisoned: bool,
    panicking: PanicCheck,
    /// The thread that locks also unlocks, as elsewhere.
    not_send: PhantomData<*const ()>,
}

// SAFETY: the bound never holds. It is here for its words.
unsafe impl<T: ShmLayout> Send for MutexGuard<'_, T> where SharedMemory: LetsGoOf<Self> {}

impl<'a, T: ShmLayout> MutexGuard<'a, T> {
    #[inline(always)]
    fn new(mutex: &'a Mutex<T>, held: Held) -> Self {
        Self {
            mutex,
            me: held.me,
            poisoned: held.poisoned,
            panicking: PanicCheck::new(),
            not_send: PhantomData,
        }
    }

    /// Says that the value is in order again after an owner has died: the next one is no longer told.
    pub const fn mark_consistent(&mut self) {
        self.poisoned = false;
    }
}

impl<'a, T: ShmLayout> LockError<MutexGuard<'a, T>> {
    /// The guard after all, if the lock is held: `repair` brings the value in order, and then it
    /// [is said](MutexGuard::mark_consistent) to be. Where `repair` panics, the next owner is told as this one was. In a child that
    /// `repair` forks, the guard is one that was inherited.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let balance = Mutex::<[i64; 2]>::create_anonymous()?;
    /// let guard = balance
    ///     .lock()
    ///     .or_else(|error| error.recover(|half_done| half_done.store([0, 0])))?;
    /// guard[1].set(10);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// All others, without a lifetime, as `?` wants them in functions that return `Box<dyn Error>`.
    pub fn recover(
        self,
        repair: impl FnOnce(&ShmCell<T>),
    ) -> Result<MutexGuard<'a, T>, LockError<Infallible>> {
        match self {
            Self::OwnerDied(mut guard) => {
                repair(&guard);
                guard.mark_consistent();
                Ok(guard)
            }
            Self::TimedOut => Err(LockError::TimedOut),
            Self::WouldBlock => Err(LockError::WouldBlock),
            Self::Unregistered(error) => Err(LockError::Unregistered(error)),
        }
    }
}

impl<T: ShmLayout> Deref for MutexGuard<'_, T> {
    type Target = ShmCell<T>;

    #[inline(always)]
    fn deref(&self) -> &ShmCell<T> {
        &self.mutex.value
    }
}

impl<T: ShmLayout> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let poison = self.poisoned || self.panicking.panicked();
        self.mutex.claim.release(self.me, poison);
    }
}

impl<T: ShmLayout> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
