//! The writer's guard: a private copy that becomes the value.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::thread::panicking;

use super::SeqLock;
use super::private::Private;
use crate::layout::ShmLayout;
use crate::sync::role::Role;

/// The writer's role, and a private copy of the value. Dropping it commits the copy: readers see all of the change at
/// once.
///
/// If its thread panics meanwhile, nothing is committed. Killed with it, the process leaves the value as it was, and the
/// next writer gets the role within 50 ms after the kernel has taken the process apart. In a fork child an inherited guard
/// is a copy that is never committed.
#[must_use = "dropped at once, the guard commits what was there"]
pub struct SeqLockWriteGuard<'a, T: ShmLayout + Copy, const SLOTS: usize = 4> {
    lock: &'a SeqLock<T, SLOTS>,
    role: Role<'a>,
    value: Private<T>,
    /// Whether there is something that dropping should commit.
    pending: bool,
    /// Whether the thread was panicking already when it began.
    panicking: bool,
    /// Whose thread panics is what decides about the commit.
    not_send: PhantomData<*const ()>,
}

impl<'a, T: ShmLayout + Copy, const SLOTS: usize> SeqLockWriteGuard<'a, T, SLOTS> {
    #[inline]
    pub(super) fn new(lock: &'a SeqLock<T, SLOTS>, role: Role<'a>, value: Private<T>) -> Self {
        Self {
            lock,
            role,
            value,
            pending: true,
            panicking: panicking(),
            not_send: PhantomData,
        }
    }

    /// Commits, and gives the role to the next.
    ///
    /// In a fork child that has inherited the guard this does nothing: the role is its parent's.
    #[inline]
    pub fn commit(mut self) {
        self.pending = true;
    }

    /// Commits and keeps the role, for who has more to write: the cheapest way to write often, since it neither claims
    /// nor releases anything. What is dropped after this without another change is not committed again.
    ///
    /// In a fork child that has inherited the guard this does nothing.
    #[inline]
    pub fn publish(&mut self) {
        if self.role.is_mine() {
            self.lock.commit(&self.value);
        }
        self.pending = false;
    }

    /// Gives the role to the next without a commit: the value stays what it was.
    #[inline]
    pub fn discard(mut self) {
        self.pending = false;
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize> Deref for SeqLockWriteGuard<'_, T, SLOTS> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize> DerefMut for SeqLockWriteGuard<'_, T, SLOTS> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.pending = true;
        &mut self.value
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize> Drop for SeqLockWriteGuard<'_, T, SLOTS> {
    #[inline]
    fn drop(&mut self) {
        // Half a change is worse than none.
        let broken = !self.panicking && panicking();
        if self.pending && !broken {
            self.publish();
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
