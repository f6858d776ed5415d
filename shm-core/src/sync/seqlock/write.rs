//! Writing.

use std::time::Duration;

use super::WriteError;
use super::guard::SeqLockWriteGuard;
use super::lock::SeqLock;
use super::private::Private;
use super::protocol::{self, Sound};
use crate::access::{Access, Writable};
use crate::cell::{checked, copy};
use crate::claim::Patience;
use crate::layout::ShmLayout;
use crate::sync::eventcount::notify_fenced;
use crate::sync::role::Role;
use crate::sync::sleep::Futex;
use crate::sys::clock::Deadline;

impl<T: ShmLayout + Copy, const SLOTS: usize, A: Access> SeqLock<T, SLOTS, A> {
    /// Claims the writer's role, waiting as long as a living writer has it, and returns a guard over a private copy of the
    /// value. Dropping the guard commits the copy.
    ///
    /// Readers go on meanwhile, with the value as it is. A thread that claims the role while it has it already waits for
    /// itself, for ever.
    ///
    /// # Errors
    ///
    /// [`WriteError::Unregistered`]; [`WriteError::Invalid`], for types with enums or `char`s only.
    #[inline(always)]
    pub fn write(&self) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError>
    where
        A: Writable,
    {
        self.writable().guard(Patience::Forever)
    }

    /// [`write`](Self::write) if no living writer is at it. It never waits, but may look whether the other writer lives: a
    /// system call.
    ///
    /// # Errors
    ///
    /// [`WriteError::WouldBlock`], and those of [`write`](Self::write).
    #[inline]
    pub fn try_write(&self) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError>
    where
        A: Writable,
    {
        self.writable().guard(Patience::None)
    }

    /// [`write`](Self::write), waiting for at most `timeout` on the monotonic clock. However short that is, a dead writer
    /// is found before it ends.
    ///
    /// # Errors
    ///
    /// [`WriteError::TimedOut`], and those of [`write`](Self::write).
    #[inline]
    pub fn write_timeout(
        &self,
        timeout: Duration,
    ) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError>
    where
        A: Writable,
    {
        self.writable()
            .guard(Patience::Until(Deadline::after(timeout)))
    }

    /// Changes the value: `change` works on a private copy, which is committed when it returns. If it panics, nothing is.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write).
    #[inline]
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R, WriteError>
    where
        A: Writable,
    {
        let mut guard = self.write()?;
        let result = change(&mut guard);
        guard.commit();
        Ok(result)
    }

    /// Commits `value`, waiting as long as another living writer is at it. Returns the new version.
    ///
    /// # Errors
    ///
    /// [`WriteError::Unregistered`].
    #[inline]
    pub fn store(&self, value: T) -> Result<u64, WriteError>
    where
        A: Writable,
    {
        self.store_from(&value)
    }

    /// [`store`](Self::store)s a value that need not be on the stack.
    ///
    /// # Errors
    ///
    /// As [`store`](Self::store).
    #[inline]
    pub fn store_from(&self, value: &T) -> Result<u64, WriteError>
    where
        A: Writable,
    {
        let lock = self.writable();
        let role = lock.role(Patience::Forever)?;
        let version = lock.commit(value);
        drop(role);
        Ok(version)
    }

    #[inline(always)]
    fn writable(&self) -> &SeqLock<T, SLOTS>
    where
        A: Writable,
    {
        let lock = std::ptr::from_ref(self).cast::<SeqLock<T, SLOTS>>();
        // SAFETY: `A`, which has no bytes, is `ReadWrite`: nothing else is `Writable`.
        unsafe { &*lock }
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize> SeqLock<T, SLOTS> {
    #[inline(always)]
    fn role(&self, patience: Patience) -> Result<Role<'_>, WriteError> {
        Role::claim(&self.words.claim, patience)
            .map_err(|refused| WriteError::refused(refused, matches!(patience, Patience::Until(_))))
    }

    #[inline(always)]
    fn guard(&self, patience: Patience) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError> {
        let role = self.role(patience)?;
        // With the role nobody else writes: the current slot stands still.
        let current = protocol::slot(protocol::current(&self.version), SLOTS);
        let fill = |private: *mut T| {
            // SAFETY: the cell is live, aligned and readable; `private` has room for a value.
            unsafe { copy::read_one(private, self.slots[current].place()) };
            // SAFETY: `read_one` has initialised all bytes, which are private.
            unsafe { checked::validate(private.cast(), T::LAYOUT, 0) }.map_err(WriteError::Invalid)
        };
        // SAFETY: where `fill` succeeds, all bytes are initialised and every leaf is valid.
        let value = unsafe { Private::filled(fill) }?;
        Ok(SeqLockWriteGuard::new(self, role, value))
    }

    /// Writes a value, makes it current and wakes who waits for that. For who has the role.
    #[inline(always)]
    pub(super) fn commit(&self, value: &T) -> u64 {
        let version = protocol::commit::<Sound>(&self.version, SLOTS, |slot| {
            self.slots[slot].store_from(value);
        });
        notify_fenced(&self.words.changed, &Futex);
        version
    }
}
