//! Writing.

use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use super::SeqLock;
use super::WriteError;
use super::guard::SeqLockWriteGuard;
use super::private_copy::PrivateCopy;
use crate::access::{Access, Writable};
use crate::cell::{ShmCell, ShmValue, checked, copy};
use crate::claim::word::Timeout;
use crate::primitive::model::CommitOrder;
use crate::protocol::seqlock::{self as protocol, Correct};
use crate::shm_layout::ShmLayout;
use crate::sync::claim_guard::{ClaimGuard, ThreadClaim};
use crate::sync::untyped::SeqLockWords;
use crate::sys::clock::Deadline;

impl<T: ShmLayout + Copy, const SLOTS: usize, A: Access> SeqLock<T, SLOTS, A> {
    /// Claims the writer's role, waiting as long as a living writer holds it, and returns a guard over a private copy of the
    /// value. Dropping the guard commits the copy.
    ///
    /// Meanwhile readers go on with the present value. A value of more than 128 bytes, without enums and `char`s, is copied when
    /// the guard is first dereferenced. To replace a large value use the guard's [`store_from`](SeqLockWriteGuard::store_from) or
    /// [`write_with`](SeqLockWriteGuard::write_with), which make one copy.
    ///
    /// # Errors
    ///
    /// [`WriteError::WouldDeadlock`] if this thread holds the role already; [`WriteError::Unregistered`];
    /// [`WriteError::Invalid`], for types with enums or `char`s only.
    #[inline(always)]
    pub fn write(&self) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError>
    where
        A: Writable,
    {
        self.writable().guard(Timeout::Never)
    }

    /// [`write`](Self::write)s if no living writer holds the role. It never waits, but may probe whether the other writer is
    /// alive: a system call, at most once for each tick of the kernel's clock, which is 4 ms on most systems. Until the next tick
    /// a writer that was alive counts as alive.
    ///
    /// # Errors
    ///
    /// [`WriteError::WouldBlock`], also if this thread holds the role, and those of [`write`](Self::write).
    #[inline]
    pub fn try_write(&self) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError>
    where
        A: Writable,
    {
        self.writable().guard(Timeout::Glance)
    }

    /// [`write`](Self::write)s, waiting for at most `timeout` on the monotonic clock. However short the timeout is, a dead
    /// writer is detected before it ends.
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
        self.writable().guard_until(|| Deadline::after(timeout))
    }

    /// [`write`](Self::write)s as [`write_timeout`](Self::write_timeout) does, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`write_timeout`](Self::write_timeout).
    #[inline]
    pub fn write_deadline(
        &self,
        deadline: Instant,
    ) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError>
    where
        A: Writable,
    {
        self.writable().guard_until(|| Deadline::at(deadline))
    }

    /// Changes the value: `change` works on a private copy, which is committed when it returns. If it panics, nothing is
    /// committed. Returns the new version and the result of `change`.
    ///
    /// A `change` that writes to the same lock in another way gets [`WriteError::WouldDeadlock`] there.
    ///
    /// The value is copied out and in again. For a large one [`update_with`](Self::update_with) copies once, and allocates nothing.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write); [`WriteError::Inherited`] in a child that `change` forks.
    #[inline]
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<(u64, R), WriteError>
    where
        A: Writable,
    {
        if const { !PrivateCopy::<T>::FITS } {
            return self.write()?.changed(change);
        }
        let lock = self.writable();
        let role = ThreadClaim::new(lock.role(Timeout::Never)?);
        let mut value = MaybeUninit::uninit();
        lock.read_current(&mut value)?;
        // SAFETY: all bytes are initialised, and every leaf is valid.
        let mut value = unsafe { value.assume_init() };
        // If it panics, only the role is released.
        let result = change(&mut value);
        if role.is_mine() {
            Ok((lock.commit(role.order(), &value), result))
        } else {
            Err(WriteError::Inherited)
        }
    }

    /// Changes the value in place: `change` works on a copy in the next slot, which is committed when it returns. Returns the new
    /// version and the result of `change`. It waits as long as another living writer holds the role.
    ///
    /// The value is copied once, from slot to slot, where [`update`](Self::update) and [`write`](Self::write) copy it into
    /// private memory and back. So this is the call to change a part of a large value. To write all of it use
    /// [`write_with`](Self::write_with).
    ///
    /// If `change` panics, nothing is committed. A process that is killed in it leaves the value as it was. A `change` that
    /// writes to the same lock in another way gets [`WriteError::WouldDeadlock`] there.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # use shm_core::sync::SeqLock;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let table = SeqLock::<[u64; 100_000]>::create_anonymous()?;
    /// table.write_with(|all| all.fill(7))?;
    /// let (version, before) = table.update_with(|all| {
    ///     let before = all[99].get();
    ///     all[99].set(before + 1);
    ///     before
    /// })?;
    /// assert_eq!((version, before), (2, 7));
    /// assert_eq!(table.read_with(|all| [98, 99].map(|n| all[n].get()))?, [7, 8]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`write_with`](Self::write_with).
    #[inline]
    pub fn update_with<R>(
        &self,
        change: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<(u64, R), WriteError>
    where
        A: Writable,
    {
        let lock = self.writable();
        self.write_with(|slot| {
            lock.copy_current_to(slot);
            change(slot)
        })
    }

    /// Writes a value in place, without a copy: `write` fills the next slot, which is committed when it returns. Returns the
    /// new version and the result of `write`. It waits as long as another living writer holds the role.
    ///
    /// The slot holds what an earlier writer left in it: a value that is `SLOTS` versions older, part of one whose writer
    /// died or panicked, or zeroes. So `write` has to write **all** of the value; to change a part use
    /// [`update`](Self::update) or [`update_with`](Self::update_with). A writer that writes only a part of a large value, again and again, would also commit faster
    /// than readers copy, and could keep them from ever getting a whole one.
    ///
    /// If `write` panics, nothing is committed. A process that is killed in it leaves the value as it was. A `write` that
    /// writes to the same lock in another way gets [`WriteError::WouldDeadlock`] there.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # use shm_core::sync::SeqLock;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let frame = SeqLock::<[u8; 1 << 20]>::create_anonymous()?;
    /// // As a decoder would write it.
    /// let (version, ()) = frame.write_with(|pixels| pixels.fill(7))?;
    /// assert_eq!(version, 1);
    /// assert_eq!(frame.read_with(|pixels| pixels[1000].get())?, 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError::WouldDeadlock`] and [`WriteError::Unregistered`], without calling `write`; [`WriteError::Inherited`] in a
    /// child that `write` forks. What such a child writes to the slot may become visible in its parent's value.
    #[inline]
    pub fn write_with<R>(
        &self,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<(u64, R), WriteError>
    where
        A: Writable,
    {
        let lock = self.writable();
        let role = ThreadClaim::new(lock.role(Timeout::Never)?);
        lock.commit_with(role.order(), |slot| {
            let result = write(slot);
            if role.is_mine() {
                Ok(result)
            } else {
                Err(WriteError::Inherited)
            }
        })
    }

    /// Commits `value`, waiting as long as another living writer holds the role. Returns the new version.
    ///
    /// # Errors
    ///
    /// [`WriteError::WouldDeadlock`] if this thread holds the role already; [`WriteError::Unregistered`].
    #[inline(always)]
    pub fn store(&self, value: T) -> Result<u64, WriteError>
    where
        A: Writable,
    {
        let lock = self.writable();
        match ClaimGuard::claim_once(&lock.words.claim) {
            Some(role) => Ok(lock.store_once(role, &value)),
            // By value, so that otherwise no address of it is needed, and it is not copied to the stack.
            None => lock.store_value_waiting(value),
        }
    }

    /// [`store`](Self::store)s a value that need not be on the stack.
    ///
    /// # Errors
    ///
    /// As [`store`](Self::store).
    #[inline(always)]
    pub fn store_from(&self, value: &T) -> Result<u64, WriteError>
    where
        A: Writable,
    {
        let lock = self.writable();
        match ClaimGuard::claim_once(&lock.words.claim) {
            Some(role) => Ok(lock.store_once(role, value)),
            None => lock.store_waiting(value),
        }
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
    fn role(&self, timeout: Timeout) -> Result<ClaimGuard<'_>, WriteError> {
        let claim = &self.words.claim;
        ClaimGuard::claim(claim, timeout, |failed| {
            let waited = matches!(timeout, Timeout::At(_));
            WriteError::from_claim(failed, claim, waited)
        })
    }

    #[inline(always)]
    fn guard(&self, timeout: Timeout) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError> {
        self.guarded(self.role(timeout)?)
    }

    /// Claims the role, waiting until a deadline. A free role needs no clock.
    #[inline(always)]
    fn guard_until(
        &self,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<SeqLockWriteGuard<'_, T, SLOTS>, WriteError> {
        match ClaimGuard::claim_free(&self.words.claim) {
            Some(role) => self.guarded(role),
            None => self.guard(Timeout::At(deadline())),
        }
    }

    #[inline(always)]
    fn guarded<'a>(
        &'a self,
        role: ClaimGuard<'a>,
    ) -> Result<SeqLockWriteGuard<'a, T, SLOTS>, WriteError> {
        // Where it cannot fail, a large value is copied only if it is looked at.
        let missing = if const { T::LAYOUT.is_checked() } {
            None
        } else {
            PrivateCopy::missing()
        };
        if let Some(value) = missing {
            return Ok(SeqLockWriteGuard::new(self, role, value));
        }
        let fill = |private: &mut MaybeUninit<T>| self.read_current(private);
        // SAFETY: if `fill` succeeds, all bytes are initialised and every leaf is valid.
        let value = unsafe { PrivateCopy::filled(fill) }?;
        Ok(SeqLockWriteGuard::new(self, role, value))
    }

    /// Commits a value and releases the role.
    #[inline(always)]
    fn store_once(&self, role: ClaimGuard<'_>, value: &T) -> u64 {
        // The order of the check for sleepers comes from the release of the role, so the value needs none of its own.
        let order = CommitOrder::Registered;
        let write = stored(value);
        let Ok((version, ())) =
            protocol::commit::<Correct, _, _>(&self.version, SLOTS, order, |slot| {
                write(&self.slots[slot])
            });
        role.release_and_notify(&self.words.changed);
        version
    }

    /// [`store`](Self::store) where the role is not free, or this process is not registered.
    #[cold]
    #[inline(never)]
    fn store_value_waiting(&self, value: T) -> Result<u64, WriteError> {
        self.store_waiting(&value)
    }

    /// [`store_from`](Self::store_from) where the role is not free, or this process is not registered.
    #[cold]
    #[inline(never)]
    fn store_waiting(&self, value: &T) -> Result<u64, WriteError> {
        let role = self.role(Timeout::Never)?;
        Ok(self.store_once(role, value))
    }

    /// The slot of the current value, which does not change as long as the caller holds the role.
    #[inline(always)]
    fn current(&self) -> &ShmCell<T> {
        &self.slots[protocol::slot(protocol::current(&self.version), SLOTS)]
    }

    /// Copies the current value. If it succeeds, all bytes of `private` are initialised and every leaf is valid. The caller
    /// holds the role.
    #[inline(always)]
    fn read_current(&self, private: &mut MaybeUninit<T>) -> Result<(), WriteError> {
        // SAFETY: the cell is live, aligned and readable; `private` has room for a value.
        unsafe { copy::read_one(private.as_mut_ptr(), self.current().as_mut_ptr()) };
        // SAFETY: `read_one` has initialised all bytes, which are private.
        unsafe { checked::validate_one(private.as_mut_ptr()) }.map_err(WriteError::Invalid)
    }

    /// Copies the current value to the next slot. The caller holds the role.
    fn copy_current_to(&self, next: &ShmCell<T>) {
        let (current, next) = (self.current().as_mut_ptr(), next.as_mut_ptr());
        // They are the same only if a peer has changed the version meanwhile.
        if current != next {
            // SAFETY: both are slots of this lock, which is a `SeqLock<T, SLOTS, ReadWrite>`, so cells that may be written; and
            // two slots, so they do not overlap, and each begins a cache line.
            unsafe { copy::copy_shared(next, current) };
        }
    }

    /// Writes a value, makes it current and wakes waiting readers. The caller holds the role, and its commits have this order.
    #[inline(always)]
    pub(super) fn commit(&self, order: CommitOrder, value: &T) -> u64 {
        let Ok((version, ())) = self.commit_with(order, stored(value));
        version
    }

    /// Commits the present value again. The caller holds the role.
    pub(super) fn commit_unchanged(&self, order: CommitOrder) -> u64 {
        let Ok((version, ())) = self.commit_with(order, |slot| {
            self.copy_current_to(slot);
            Ok::<(), Infallible>(())
        });
        version
    }

    /// The present value. The caller holds the role.
    #[inline(always)]
    pub(super) fn current_value(&self) -> T
    where
        T: ShmValue,
    {
        self.current().load()
    }

    /// Copies the present value, as a reader does: the caller may be a fork child that has inherited a guard. All bytes of `private`
    /// are initialised afterwards.
    #[cold]
    pub(super) fn copy_present(&self, private: &mut MaybeUninit<T>) {
        // A value that a peer keeps changing is taken as it is.
        let _ = self.copy_whole(private);
    }

    /// Commits what `write` writes, unless it fails, and wakes waiting readers.
    #[inline(always)]
    pub(super) fn commit_with<R, E>(
        &self,
        order: CommitOrder,
        write: impl FnOnce(&ShmCell<T>) -> Result<R, E>,
    ) -> Result<(u64, R), E> {
        let words = SeqLockWords {
            claim: &self.words.claim,
            version: &self.version,
            changed: &self.words.changed,
            slots: SLOTS,
        };
        words.commit_held(order, |slot| write(&self.slots[slot]))
    }
}

/// Returns a closure that writes a value into a slot.
#[inline(always)]
fn stored<T: ShmLayout + Copy>(value: &T) -> impl FnOnce(&ShmCell<T>) -> Result<(), Infallible> {
    |slot| {
        slot.store_from(value);
        Ok(())
    }
}
