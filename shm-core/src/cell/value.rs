//! Whole values: `load` and `store` of `Copy` types.

use std::mem::MaybeUninit;

use super::{ShmCell, checked, copy};
use crate::access::{Access, ReadOnly, Writable};
use crate::error::InvalidValue;
use crate::shm_layout::ShmLayout;

/// A `Copy` type for which any bytes in shared memory are a value, so that it can be loaded without a check.
///
/// Implemented for every `Copy` type with [`ShmLayout`] that consists of numbers, `bool`s and types of this crate made of
/// these. Types that hold an enum or a `char` do not implement it; they have [`try_load`](ShmCell::try_load).
///
/// # Safety
///
/// Never implement it by hand: a blanket implementation covers every type that fulfils the requirement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `ShmValue`, so it cannot be loaded as a whole",
    label = "not every bit pattern is known to be a value of it",
    note = "if `{Self}` is a type parameter, require `{Self}: ShmValue`; if an enum or a `char` is in it, write `try_load()`, which \
            checks the bytes (slices: `try_to_vec()`, vectors: `try_pop()`, `try_remove()`, `Ring`: `recv_with()` with `try_get()` or \
            `try_load()`)"
)]
pub unsafe trait ShmValue: ShmLayout + Copy {}

// SAFETY: a cell is `Send` exactly if every leaf in it is plain (see its `impl Send`).
#[diagnostic::do_not_recommend]
unsafe impl<T> ShmValue for T
where
    T: ShmLayout + Copy,
    T::View<ReadOnly>: Send,
{
}

/// Whole values.
///
/// A value is transferred leaf by leaf, with relaxed accesses. Each leaf is whole, but a value that another process
/// writes at the same time can be read partly old and partly new. If a value must be consistent, put it into a
/// [`SeqLock`](crate::sync::SeqLock) or a [`Mutex`](crate::sync::Mutex).
impl<T: ShmLayout + Copy, A: Access> ShmCell<T, A> {
    /// Reads the whole value: one relaxed access per leaf, in any order.
    #[must_use]
    #[inline(always)]
    pub fn load(&self) -> T
    where
        T: ShmValue,
    {
        let mut value = MaybeUninit::uninit();
        // SAFETY: the cell is live, aligned and readable; `value` is private.
        unsafe { copy::read_one(value.as_mut_ptr(), self.as_mut_ptr()) };
        // SAFETY: `read_one` has initialised all bytes; they are valid because all leaves are plain (`ShmValue`).
        unsafe { value.assume_init() }
    }

    /// Reads the whole value and checks it: the way to load types that hold enums or `char`s.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`], with the field's path and the number found, for the first leaf that is not a value of
    /// its type: another process can write any bytes.
    #[inline]
    pub fn try_load(&self) -> Result<T, InvalidValue> {
        let mut value = MaybeUninit::uninit();
        // SAFETY: the cell is live, aligned and readable; `value` is private.
        unsafe { copy::read_one(value.as_mut_ptr(), self.as_mut_ptr()) };
        // SAFETY: `read_one` has initialised all bytes.
        if !unsafe { checked::is_valid(value.as_mut_ptr()) } {
            return Self::invalid(value);
        }
        // SAFETY: initialised, and every leaf is valid.
        Ok(unsafe { value.assume_init() })
    }

    /// Names the leaf that is not valid. A call of its own: the compiler then writes a valid value to its place in one piece.
    #[cold]
    #[inline(never)]
    fn invalid(mut value: MaybeUninit<T>) -> Result<T, InvalidValue> {
        // SAFETY: `try_load` has initialised all bytes.
        unsafe { checked::validate_one(value.as_mut_ptr()) }?;
        // SAFETY: initialised, and every leaf is valid.
        Ok(unsafe { value.assume_init() })
    }

    /// [`try_load`](Self::try_load) into a new box, without a copy on the stack.
    ///
    /// # Errors
    ///
    /// The same as [`try_load`](Self::try_load).
    pub fn try_load_boxed(&self) -> Result<Box<T>, InvalidValue> {
        let mut value = Box::<T>::new_uninit();
        // SAFETY: as in `try_load`.
        unsafe { copy::read_one(value.as_mut_ptr(), self.as_mut_ptr()) };
        // SAFETY: as in `try_load`.
        unsafe { checked::validate_one(value.as_mut_ptr()) }?;
        // SAFETY: as in `try_load`.
        Ok(unsafe { value.assume_init() })
    }

    /// Writes the whole value: one relaxed access per leaf, in any order.
    #[inline(always)]
    pub fn store(&self, value: T)
    where
        A: Writable,
    {
        self.store_from(&value);
    }

    /// Writes the whole value, from a reference: for large values that are not on the stack.
    #[inline(always)]
    pub fn store_from(&self, value: &T)
    where
        A: Writable,
    {
        // SAFETY: the cell is live, aligned and writable; `value` is private, and all its bytes are initialised because a
        // `Copy` type has no padding (point 1 of `ShmLayout`).
        unsafe { copy::write_one(self.as_mut_ptr(), value) };
    }

    /// Reads the whole value into `out`, without a copy on the stack.
    #[inline(always)]
    pub fn load_into(&self, out: &mut T)
    where
        T: ShmValue,
    {
        // SAFETY: the cell is live, aligned and readable; `out` is private, and the bytes written are valid for `T`.
        unsafe { copy::read_one(out, self.as_mut_ptr()) };
    }

    /// Reads the whole value into a new box, without a copy on the stack.
    #[must_use]
    pub fn load_boxed(&self) -> Box<T>
    where
        T: ShmValue,
    {
        let mut value = Box::<T>::new_uninit();
        // SAFETY: as in `load`.
        unsafe { copy::read_one(value.as_mut_ptr(), self.as_mut_ptr()) };
        // SAFETY: as in `load`.
        unsafe { value.assume_init() }
    }
}
