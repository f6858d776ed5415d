//! Accessing the payload of a handle as one cell.

use std::fmt;

use super::Shm;
use crate::access::{Access, ReadOnly, Writable};
use crate::cell::{self, AnyLeaf, CheckedLeaf, Leaf, ShmCell, ShmValue};
use crate::error::InvalidValue;
use crate::shm_layout::ShmLayout;

impl<T: ShmLayout + ?Sized, A: Access> Shm<T, A> {
    /// Checks that every enum and `char` of the payload holds a value of its type at this moment.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] with the first field that does not.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        // SAFETY: the payload of a live mapping, with as many elements in its slice; only accessed atomically.
        unsafe { cell::validate(self.payload().cast(), T::LAYOUT, self.tail()) }
    }
}

impl<T: ShmLayout, A: Access> Shm<T, A> {
    /// The whole payload as one cell.
    #[must_use]
    #[inline(always)]
    pub fn cell(&self) -> &ShmCell<T, A> {
        let cell = self.payload().cast::<ShmCell<T, A>>();
        // SAFETY: the payload of a live mapping, which holds a `T`, and which may be written if `A` says so.
        unsafe { &*cell }
    }

    /// The whole payload, read-only: for code that should not write.
    #[must_use]
    #[inline]
    pub fn read_only(&self) -> &ShmCell<T, ReadOnly> {
        self.cell().read_only()
    }
}

impl<T: AnyLeaf, A: Access> Shm<T, A> {
    /// Reads the value: see [`ShmCell::get`].
    #[must_use]
    #[inline(always)]
    pub fn get(&self) -> T
    where
        T: Leaf,
    {
        self.cell().get()
    }

    /// Reads the value and checks it: see [`ShmCell::try_get`].
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] with what the cell holds instead.
    #[inline]
    pub fn try_get(&self) -> Result<T, InvalidValue>
    where
        T: CheckedLeaf,
    {
        self.cell().try_get()
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

/// Whole values. Each leaf is read whole, but a value that another process is writing may be read partly old and partly new.
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

    /// Reads the whole value and checks it: see [`ShmCell::try_load`].
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] with the first field whose bytes are not a valid value of its type.
    pub fn try_load(&self) -> Result<T, InvalidValue> {
        self.cell().try_load()
    }

    /// Reads the whole value into a new box and checks it: see [`ShmCell::try_load_boxed`].
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] with the first field whose bytes are not a valid value of its type.
    pub fn try_load_boxed(&self) -> Result<Box<T>, InvalidValue> {
        self.cell().try_load_boxed()
    }

    /// Writes the whole value: see [`ShmCell::store`].
    #[inline(always)]
    pub fn store(&self, value: T)
    where
        A: Writable,
    {
        self.cell().store(value);
    }

    /// Writes the whole value from a reference, without a copy on the stack: see [`ShmCell::store_from`].
    #[inline(always)]
    pub fn store_from(&self, value: &T)
    where
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

impl<'a, T: ShmLayout, A: Access, const N: usize> IntoIterator for &'a Shm<[T; N], A> {
    type Item = &'a ShmCell<T, A>;
    type IntoIter = std::slice::Iter<'a, ShmCell<T, A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The name and the value. `{:?}` shortens long arrays, slices and vectors as that of a [`ShmCell`] does; `{:#?}` shows all.
impl<T: ShmLayout + ?Sized, A: Access> fmt::Debug for Shm<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the payload of a live mapping, with as many elements in its slice; only accessed atomically.
        let value = unsafe { cell::Value::new(self.payload().cast(), T::LAYOUT, self.tail()) };
        f.debug_tuple("Shm")
            .field(&self.name())
            .field(&value)
            .finish()
    }
}
