//! What a handle can do with its payload as one cell.

use std::fmt;

use super::{Leaf, ShmCell, ShmValue};
use crate::access::{Access, ReadOnly, Writable};
use crate::layout::ShmLayout;
use crate::segment::Shm;

impl<T: ShmLayout, A: Access> Shm<T, A> {
    /// The whole payload as one cell.
    #[must_use]
    #[inline(always)]
    pub fn cell(&self) -> &ShmCell<T, A> {
        let cell = self.payload().cast::<ShmCell<T, A>>();
        // SAFETY: the payload of a live mapping, which holds a `T`, and which may be written if `A` says so.
        unsafe { &*cell }
    }

    /// The whole payload, but only for reading: for passing on to code that should not write.
    #[must_use]
    #[inline]
    pub fn read_only(&self) -> &ShmCell<T, ReadOnly> {
        self.cell().read_only()
    }
}

impl<T: Leaf, A: Access> Shm<T, A> {
    /// Reads the value: see [`ShmCell::get`].
    #[must_use]
    #[inline(always)]
    pub fn get(&self) -> T {
        self.cell().get()
    }

    /// Writes the value: see [`ShmCell::set`].
    #[inline(always)]
    pub fn set(&self, value: T)
    where
        A: Writable,
    {
        self.cell().set(value);
    }
}

/// Whole values. Each leaf is whole, but a value that another process is writing at the same time may be read
/// partly old and partly new.
impl<T: ShmLayout + Copy, A: Access> Shm<T, A> {
    /// Reads the whole value: see [`ShmCell::load`].
    #[must_use]
    #[inline(always)]
    pub fn load(&self) -> T
    where
        T: ShmValue,
    {
        self.cell().load()
    }

    /// Writes the whole value: see [`ShmCell::store`].
    #[inline(always)]
    pub fn store(&self, value: T)
    where
        T: ShmValue,
        A: Writable,
    {
        self.cell().store(value);
    }

    /// Writes a value that need not be on the stack: see [`ShmCell::store_from`].
    #[inline(always)]
    pub fn store_from(&self, value: &T)
    where
        T: ShmValue,
        A: Writable,
    {
        self.cell().store_from(value);
    }

    /// Reads the whole value into `out`: see [`ShmCell::load_into`].
    #[inline(always)]
    pub fn load_into(&self, out: &mut T)
    where
        T: ShmValue,
    {
        self.cell().load_into(out);
    }

    /// Reads the whole value into a new box: see [`ShmCell::load_boxed`].
    #[must_use]
    pub fn load_boxed(&self) -> Box<T>
    where
        T: ShmValue,
    {
        self.cell().load_boxed()
    }
}

impl<T: ShmLayout, A: Access> fmt::Debug for Shm<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shm")
            .field(&self.name())
            .field(self.cell())
            .finish()
    }
}
