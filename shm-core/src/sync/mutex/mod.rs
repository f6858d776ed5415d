//! The mutex.
//!
//! # Synchronization
//!
//! | place | what |
//! |---|---|
//! | `claim` | the claim word: the owner of the lock. [`crate::protocol::claim_word`] has its states, orderings and crash story |
//! | `value` | cells, accessed with relaxed ordering by the owner between its acquiring claim and its releasing drop |
//!
//! An owner that is killed in between leaves `value` as it is. Its successor takes the claim over with `POISON` set, gets
//! `OwnerDied`, and releases with `POISON` again unless it has called `mark_consistent`.

use std::fmt;
use std::ops::Deref;
use std::time::{Duration, Instant};

use crate::access::{Access, ReadOnly, ReadWrite, Writable};
use crate::cell::ShmCell;
use crate::claim::process::Registered;
use crate::claim::word::{ClaimWord, Held, Timeout};
use crate::primitive::AtomicU32;
use crate::shm_layout::ShmLayout;
use crate::sync::layout::sync_layout;
use crate::sync::not_send::NotSend;
use crate::sync::panic_check::PanicCheck;
use crate::sync::{LockError, Owner};
use crate::sys::clock::Deadline;

/// A robust lock around a value that processes share: it survives the death of its owner.
///
/// [`lock`](Self::lock) returns a guard that gives access to the value's cells; dropping the guard unlocks. If the owner is
/// killed, the next process gets the lock all the same, with [`LockError::OwnerDied`], since the value may be half written.
/// [`lock_recover`](Self::lock_recover) takes a closure that repairs it, and is the usual way to lock.
///
/// Waiters make progress, but there is no promise of fairness. A thread that holds the lock and locks again through the same
/// handle gets [`LockError::WouldDeadlock`]. Not detected is a second lock through another handle to the same segment, nor a
/// deadlock in which several threads or processes take part: let all of them take their locks in the same order, or use
/// [`lock_timeout`](Self::lock_timeout).
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Mutex;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Accounts { transfers: Mutex<[i64; 2]> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Accounts::create_anonymous()?;
/// // The sum is zero; half a transfer is undone at the second account's expense.
/// let balance = shm.transfers.lock_recover(|half_done| half_done[1].set(-half_done[0].get()))?;
/// balance[0].set(balance[0].get() - 10);
/// balance[1].set(balance[1].get() + 10);
/// # Ok(()) }
/// ```
///
/// To decide case by case, match on the error:
///
/// ```
/// # use shm_core::ShmLayout;
/// # use shm_core::sync::{LockError, Mutex};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transfers = Mutex::<[i64; 2]>::create_anonymous()?;
/// let balance = match transfers.lock() {
///     Err(LockError::OwnerDied(mut guard)) => {
///         guard.store([0, 0]);
///         guard.mark_consistent();
///         guard
///     }
///     locked => locked?,
/// };
/// # drop(balance);
/// # Ok(()) }
/// ```
///
/// A read-only handle cannot lock; it only has [`unlocked`](Self::unlocked) and [`owner`](Self::owner).
///
/// # Memory ordering
///
/// The owner of the lock sees everything that earlier owners did, including one that was killed while it held the lock.
///
/// # When a process dies
///
/// - **The owner**: the next process gets the lock, with [`LockError::OwnerDied`] and the guard. A waiter gets it at its
///   [next look](crate::sync#when-a-process-dies) after the kernel has released what the dead process held; a process that
///   dumps core is dead only once the core file is written. If the owner died earlier, [`lock`](Self::lock) does not wait at
///   all. The value is as it was left, perhaps half changed. Until
///   [`mark_consistent`](MutexGuard::mark_consistent) is called, each later owner gets `OwnerDied` as well.
/// - **An owner that panics** with the guard: the same, as soon as the guard is dropped.
/// - **A waiter**: nothing. If it was just being woken, another waiter finds the lock free at its next look.
/// - A process that is only stopped is alive, and keeps the lock.
/// - In a fork child an inherited guard still gives access to the value, but the lock is the parent's, and dropping the
///   guard does nothing.
///
/// # What a peer can do
///
/// A peer that may write to the segment can change the value without the lock. It can also change the lock itself: so that two
/// processes hold it, so that an owner seems dead, or so that [`lock`](Self::lock) waits until that peer ends, or for ever.
/// [`try_lock`](Self::try_lock) and [`lock_timeout`](Self::lock_timeout) end all the same.
///
/// # Cost
///
/// An uncontended lock and unlock take one compare-and-swap each, and no system call. A process that finds the mutex locked
/// spins for a moment, then sleeps; unlocking it while others sleep takes one system call, which wakes one of them. The lock
/// takes 4 bytes in front of the value, or as many as the value's alignment.
#[repr(C)]
pub struct Mutex<T, A: Access = ReadWrite> {
    claim: ClaimWord,
    value: ShmCell<T, A>,
}

sync_layout! {
    impl[T: ShmLayout] if T in[T: 'static] Mutex[T], MUTEX.claiming();
    claim at claim: AtomicU32::LAYOUT;
    value at value: T::LAYOUT;
}

impl<T: ShmLayout, A: Access> Mutex<T, A> {
    /// Locks, waiting as long as a living owner holds the lock.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](LockError::OwnerDied) with the guard; [`WouldDeadlock`](LockError::WouldDeadlock);
    /// [`Unregistered`](LockError::Unregistered). In a function that returns `Box<dyn Error>`, `?` drops the guard: see
    /// [`LockError`].
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>>
    where
        A: Writable,
    {
        self.writable().within(Timeout::Never)
    }

    /// Locks as [`lock`](Self::lock) does, and calls `repair` with the value if an owner died or panicked while it held the
    /// lock. Then it [marks](MutexGuard::mark_consistent) the value as consistent.
    ///
    /// If `repair` panics, the lock is released and the next owner gets [`OwnerDied`](LockError::OwnerDied) again. The same
    /// holds if this process is killed in `repair`: so it may be called several times for one death, and with the value as an
    /// unfinished repair left it.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let balance = Mutex::<[i64; 2]>::create_anonymous()?;
    /// let guard = balance.lock_recover(|half_done| half_done.store([0, 0]))?;
    /// guard[1].set(10);
    /// # Ok(()) }
    /// ```
    ///
    /// For the other ways to lock, [`LockError::recover`] does the same:
    /// `try_lock().or_else(|error| error.recover(repair))`.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`](LockError::WouldDeadlock); [`Unregistered`](LockError::Unregistered). The error owns what it holds, so `?`
    /// works everywhere.
    #[inline]
    pub fn lock_recover(
        &self,
        repair: impl FnOnce(&ShmCell<T>),
    ) -> Result<MutexGuard<'_, T>, LockError>
    where
        A: Writable,
    {
        self.lock().or_else(|error| error.recover(repair))
    }

    /// Locks if no living owner holds the lock. It never waits, but may probe whether the owner is alive: a system call.
    ///
    /// It does so at most once for each tick of the kernel's clock, which is 4 ms on most systems. Until the next tick an owner
    /// that was alive counts as alive. [`lock_timeout`](Self::lock_timeout) with a timeout of zero always probes.
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
        self.writable().within(Timeout::Glance)
    }

    /// Locks, waiting for at most `timeout` on the monotonic clock.
    ///
    /// However short the timeout is, a dead owner is detected before it ends.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](LockError::OwnerDied) with the guard; [`TimedOut`](LockError::TimedOut);
    /// [`WouldDeadlock`](LockError::WouldDeadlock), at once; [`Unregistered`](LockError::Unregistered).
    #[inline]
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>>
    where
        A: Writable,
    {
        self.writable().until(|| Deadline::after(timeout))
    }

    /// Locks as [`lock_timeout`](Self::lock_timeout) does, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`lock_timeout`](Self::lock_timeout).
    #[inline]
    pub fn lock_deadline(
        &self,
        deadline: Instant,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>>
    where
        A: Writable,
    {
        self.writable().until(|| Deadline::at(deadline))
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

    /// Locks, waiting until a deadline. A free lock needs no clock.
    #[inline(always)]
    fn until(
        &self,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        match self.claim.claim_free() {
            Some(held) => Ok(MutexGuard::new(self, held)),
            None => self.contended(Timeout::At(deadline())),
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
            Err(failed) => Err(LockError::from_claim(
                failed,
                &self.claim,
                matches!(timeout, Timeout::At(_)),
            )),
        }
    }
}

impl<T: ShmLayout, A: Access> Mutex<T, A> {
    /// The value without the lock, read-only. An owner may be changing it at the same time.
    #[must_use]
    #[inline]
    pub const fn unlocked(&self) -> &ShmCell<T, ReadOnly> {
        self.value.read_only()
    }

    /// The process that holds the lock, dead or alive. `None` if it is free. For monitors: the answer may be outdated by the
    /// time the caller uses it.
    ///
    /// It costs a load if the lock is free, and some system calls otherwise.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        Owner::of::<A>(&self.claim)
    }
}

impl<T: ShmLayout, A: Access> fmt::Debug for Mutex<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// A held lock, and access to the value. Dropping it unlocks.
///
/// If its thread panics meanwhile, the next owner gets [`LockError::OwnerDied`], as if this process had died. A process that is
/// killed with the guard leaves the value as it is. In a fork child an inherited guard still gives access to the value, but
/// the lock is the parent's, and dropping the guard does nothing.
///
/// A guard is not `Send`, but `Sync`: scoped threads can work on the value through a reference to the guard. If one of them
/// panics, so does [`std::thread::scope`], and the next owner gets [`OwnerDied`](LockError::OwnerDied), unless the panic is
/// handled.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::{LockError, Mutex};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let counts = Mutex::<[u64; 2]>::create_anonymous()?;
/// let guard = counts.lock_recover(|half_done| half_done.store([0, 0]))?;
/// guard[0].set(guard[0].get() + 1); // its cells
/// assert_eq!(guard.load(), [1, 0]); // all of it
/// std::thread::scope(|scope| {
///     scope.spawn(|| guard[0].set(5)); // lent to other threads
///     scope.spawn(|| guard[1].set(6));
/// });
/// assert_eq!(guard.load(), [5, 6]);
/// assert!(matches!(counts.try_lock(), Err(LockError::WouldBlock(_))));
/// drop(guard);
/// assert!(counts.try_lock().is_ok());
/// # Ok(()) }
/// ```
#[must_use = "dropping the guard unlocks the mutex"]
pub struct MutexGuard<'a, T: ShmLayout> {
    mutex: &'a Mutex<T>,
    /// What claimed the lock.
    registered: Registered,
    /// Whether the value may be half written.
    poisoned: bool,
    panicking: PanicCheck,
    /// As with [`std::sync::MutexGuard`], the thread that locks also unlocks: whether it panics decides about the poison.
    _not_send: NotSend<Self>,
}

// SAFETY: a shared guard gives access to the value's cell, which is `Sync` for every `T`, and to nothing else:
// `mark_consistent` takes `&mut self`, `recover` and `drop` take the guard itself, and another thread gets neither, since the
// guard is not `Send`. The claim is the process's, not the thread's, and outlives every borrow of the guard.
unsafe impl<T: ShmLayout> Sync for MutexGuard<'_, T> {}

impl<'a, T: ShmLayout> MutexGuard<'a, T> {
    #[inline(always)]
    fn new(mutex: &'a Mutex<T>, held: Held) -> Self {
        mutex.claim.record_in_thread(held.registered);
        Self {
            mutex,
            registered: held.registered,
            poisoned: held.poisoned,
            panicking: PanicCheck::new(),
            _not_send: NotSend::NEW,
        }
    }

    /// Marks the value as consistent again after an owner died: the next owner does not get
    /// [`OwnerDied`](LockError::OwnerDied).
    pub const fn mark_consistent(&mut self) {
        self.poisoned = false;
    }
}

impl<'a, T: ShmLayout> LockError<MutexGuard<'a, T>> {
    /// Repairs the value if an owner died: calls `repair` with it, [marks](MutexGuard::mark_consistent) it as consistent and
    /// returns the guard. [`Mutex::lock_recover`] does this in one call.
    ///
    /// If `repair` panics, the next owner gets [`OwnerDied`](Self::OwnerDied) again. In a child that `repair` forks, the guard
    /// is an inherited one.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let balance = Mutex::<[i64; 2]>::create_anonymous()?;
    /// let guard = balance
    ///     .try_lock()
    ///     .or_else(|error| error.recover(|half_done| half_done.store([0, 0])))?;
    /// guard[1].set(10);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Any other error, without a lifetime.
    pub fn recover(self, repair: impl FnOnce(&ShmCell<T>)) -> Result<MutexGuard<'a, T>, LockError> {
        match self {
            Self::OwnerDied(mut guard) => {
                repair(&guard);
                guard.mark_consistent();
                Ok(guard)
            }
            error => Err(error.into_owned()),
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
        self.mutex
            .claim
            .release_held_in_thread(self.registered, poison);
    }
}

impl<T: ShmLayout> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
