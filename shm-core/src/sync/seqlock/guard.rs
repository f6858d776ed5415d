//! The writer's guard: a private copy that is committed when it is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::private_copy::PrivateCopy;
use super::{SeqLock, WriteError};
use crate::cell::{ShmCell, ShmValue};
use crate::shm_layout::ShmLayout;
use crate::sync::claim_guard::{ClaimGuard, ThreadClaim};
use crate::sync::not_send::NotSend;
use crate::sync::panic_check::PanicCheck;

/// The writer's role, and a private copy of the value. Dropping it commits the copy: readers see all changes at once.
///
/// If its thread panics meanwhile, nothing is committed. (A guard that a destructor makes in a thread that is already
/// panicking is committed all the same, as a `std::sync::Mutex` is not poisoned there: a second panic cannot be detected.
/// Use [`update`](SeqLock::update) in destructors that may panic.) If the process is killed with the guard, the value stays as
/// it was, and a writer that waits gets the role at its [next look](crate::sync#when-a-process-dies) after the kernel has torn
/// the process down. In a fork child an inherited guard is a copy that is never committed.
///
/// A guard is not `Send`, but `Sync` if `T` is: scoped threads can read the copy through a reference to the guard. To let them
/// change it, lend them parts of the value itself, from `&mut *guard`.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::SeqLock;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lock = SeqLock::<[u32; 2]>::create_anonymous()?;
/// let mut next = lock.write()?;
/// next[0] = 1;
/// assert_eq!(lock.read()?, [0, 0]); // not visible yet
/// assert_eq!(next.publish()?, 1); // now it is, and the guard goes on
/// next[1] = 2;
/// drop(next);
/// assert_eq!(lock.read()?, [1, 2]);
///
/// let mut next = lock.write()?;
/// let [first, second] = &mut *next;
/// std::thread::scope(|scope| {
///     scope.spawn(|| *first = 3); // parts of the copy, lent to other threads
///     scope.spawn(|| *second = 4);
/// });
/// assert_eq!(next.commit()?, 3);
///
/// let mut mistake = lock.write()?;
/// mistake[0] = 9;
/// mistake.discard();
/// assert_eq!((lock.version(), lock.read()?), (3, [3, 4]));
/// # Ok(()) }
/// ```
#[must_use = "dropping the guard commits the value unchanged"]
pub struct SeqLockWriteGuard<'a, T: ShmLayout + Copy, const SLOTS: usize = 4> {
    lock: &'a SeqLock<T, SLOTS>,
    role: ThreadClaim<'a>,
    value: PrivateCopy<T>,
    /// Whether dropping the guard commits.
    pending: bool,
    panicking: PanicCheck,
    /// Whether the thread panics decides about the commit.
    _not_send: NotSend<Self>,
}

// SAFETY: a shared guard gives access to the private copy, as `&T`, and to nothing else. A thread that makes the copy synchronizes
// with the others through its `OnceLock`, and could read the same value from the lock by itself. All other methods take `&mut self` or
// the guard itself, and another thread gets neither, since the guard is not `Send`. The role is the process's, not the thread's.
unsafe impl<T: ShmLayout + Copy + Sync, const SLOTS: usize> Sync
    for SeqLockWriteGuard<'_, T, SLOTS>
{
}

impl<'a, T: ShmLayout + Copy, const SLOTS: usize> SeqLockWriteGuard<'a, T, SLOTS> {
    #[inline(always)]
    pub(super) fn new(
        lock: &'a SeqLock<T, SLOTS>,
        role: ClaimGuard<'a>,
        value: PrivateCopy<T>,
    ) -> Self {
        Self {
            lock,
            role: ThreadClaim::new(role),
            value,
            pending: true,
            panicking: PanicCheck::new(),
            _not_send: NotSend::NEW,
        }
    }

    /// Commits and releases the role. Returns the new version.
    ///
    /// # Errors
    ///
    /// [`WriteError::Inherited`], without any effect, only in a fork child that inherited the guard.
    #[inline]
    pub fn commit(mut self) -> Result<u64, WriteError> {
        self.publish()
    }

    /// Commits and keeps the role: the cheapest way to write often, since it neither claims nor releases anything. Returns the
    /// new version. A guard that is dropped without another change after this does not commit again.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    #[inline]
    pub fn publish(&mut self) -> Result<u64, WriteError> {
        self.pending = false;
        if !self.role.is_mine() {
            return Err(WriteError::Inherited);
        }
        let order = self.role.order();
        Ok(match self.value.get() {
            Some(value) => self.lock.commit(order, value),
            None => self.lock.commit_unchanged(order),
        })
    }

    /// Commits `value` and keeps the role. Returns the new version.
    ///
    /// The value is copied once, from where it is to the next slot. The guard's copy becomes this value; changes of it that were not
    /// published are lost.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    #[inline]
    pub fn store_from(&mut self, value: &T) -> Result<u64, WriteError> {
        self.pending = false;
        if !self.role.is_mine() {
            return Err(WriteError::Inherited);
        }
        let version = self.lock.commit(self.role.order(), value);
        if const { PrivateCopy::<T>::FITS || T::LAYOUT.is_checked() } {
            *self.copy_mut() = *value;
        } else {
            self.value.forget();
        }
        Ok(version)
    }

    /// Commits what `write` writes into the next slot, in place, and keeps the role: as [`SeqLock::write_with`], without claiming
    /// the role. Returns the new version and the result of `write`.
    ///
    /// `write` has to write **all** of the value, since the slot holds what an earlier writer left in it. The guard's copy becomes
    /// this value; changes of it that were not published are lost. If `write` panics, nothing is committed.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # use shm_core::sync::SeqLock;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let frames = SeqLock::<[u8; 1 << 20]>::create_anonymous()?;
    /// let mut writer = frames.write()?;
    /// for number in 1..=3 {
    ///     writer.write_with(|pixels| pixels.fill(number))?;
    /// }
    /// assert_eq!((frames.version(), writer[1000]), (3, 3));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit), also in a child that `write` forks.
    #[inline]
    pub fn write_with<R>(
        &mut self,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<(u64, R), WriteError>
    where
        T: ShmValue,
    {
        self.pending = false;
        let role = &self.role;
        let committed = self.lock.commit_with(role.order(), |slot| {
            let result = write(slot);
            if role.is_mine() {
                Ok(result)
            } else {
                Err(WriteError::Inherited)
            }
        })?;
        if const { PrivateCopy::<T>::FITS } {
            let current = self.lock.current_value();
            *self.copy_mut() = current;
        } else {
            self.value.forget();
        }
        Ok(committed)
    }

    /// The copy, made of the present value if it is not there: that of a large value whose leaves are all plain.
    #[inline(always)]
    fn copy_mut(&mut self) -> &mut T {
        let lock = self.lock;
        // SAFETY: `copy_present` initialises all bytes, and where the copy can be missing, any bytes are a `T`.
        unsafe { self.value.get_mut_or_fill(|place| lock.copy_present(place)) }
    }

    /// Applies `change` to the copy and commits it. A panic commits nothing, even one that cannot be detected, in a destructor
    /// in a thread that is already panicking.
    #[inline(always)]
    pub(super) fn changed<R>(
        mut self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<(u64, R), WriteError> {
        self.pending = false;
        let result = change(self.copy_mut());
        Ok((self.publish()?, result))
    }

    /// Releases the role without a commit: the value stays as it was.
    #[inline]
    pub fn discard(mut self) {
        self.pending = false;
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize> Deref for SeqLockWriteGuard<'_, T, SLOTS> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let lock = self.lock;
        // SAFETY: as in `copy_mut`.
        unsafe { self.value.get_or_fill(|place| lock.copy_present(place)) }
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize> DerefMut for SeqLockWriteGuard<'_, T, SLOTS> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.pending = true;
        self.copy_mut()
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize> Drop for SeqLockWriteGuard<'_, T, SLOTS> {
    #[inline]
    fn drop(&mut self) {
        // Half a change must not be committed.
        if self.pending && !self.panicking.panicked() {
            // The error in a fork child is dropped: there is nothing to commit.
            let _ = self.publish();
        }
    }
}

impl<T: ShmLayout + Copy + fmt::Debug, const SLOTS: usize> fmt::Debug
    for SeqLockWriteGuard<'_, T, SLOTS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
