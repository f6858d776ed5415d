//! Changes of a vector.

use super::{ShmVecView, VecFull};
use crate::access::{Access, Writable};
use crate::cell::{ShmSlice, ShmValue};
use crate::error::InvalidValue;
use crate::primitive::{AtomicU64, Ordering};
use crate::shm_layout::ShmLayout;

impl<T: ShmLayout, const N: usize, A: Access> ShmVecView<T, N, A> {
    /// Appends a value.
    ///
    /// # Errors
    ///
    /// Returns [`VecFull`], with the value, if there are `N` elements already.
    pub fn push(&self, value: T) -> Result<(), VecFull<T>>
    where
        T: Copy,
        A: Writable,
    {
        let len = self.len();
        let Some(cell) = self.items.get(len) else {
            return Err(VecFull(value));
        };
        cell.store(value);
        self.set_len(len + 1);
        Ok(())
    }

    /// Appends all values, or none if there is not enough room.
    ///
    /// # Errors
    ///
    /// Returns [`VecFull`] if there is not enough room for all values.
    pub fn extend_from_slice(&self, values: &[T]) -> Result<(), VecFull<()>>
    where
        T: Copy,
        A: Writable,
    {
        let len = self.len();
        let Some(cells) = self.items[len..].get(..values.len()) else {
            return Err(VecFull(()));
        };
        ShmSlice::new(cells).write_from(values);
        self.set_len(len + values.len());
        Ok(())
    }

    /// Removes the last element and returns it, or `None` if the vector is empty.
    pub fn pop(&self) -> Option<T>
    where
        T: ShmValue,
        A: Writable,
    {
        let last = self.len().checked_sub(1)?;
        let value = self.items[last].load();
        self.set_len(last);
        Some(value)
    }

    /// Removes the last element and returns it, after a check: [`pop`](Self::pop) for types that hold enums or `char`s.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`] if the element is not a value of its type. It is then not removed; use
    /// [`truncate`](Self::truncate) to remove it.
    pub fn try_pop(&self) -> Result<Option<T>, InvalidValue>
    where
        T: Copy,
        A: Writable,
    {
        let Some(last) = self.len().checked_sub(1) else {
            return Ok(None);
        };
        let value = self.items[last]
            .try_load()
            .map_err(|error| error.within(&format!("[{last}]")))?;
        self.set_len(last);
        Ok(Some(value))
    }

    /// Keeps the first `len` elements and removes the others. Has no effect if there are at most `len` elements.
    pub fn truncate(&self, len: usize)
    where
        A: Writable,
    {
        // Always written, which repairs a length above `N`.
        self.set_len(self.len().min(len));
    }

    /// Removes all elements. Their bytes are not cleared.
    pub fn clear(&self)
    where
        A: Writable,
    {
        self.set_len(0);
    }

    fn set_len(&self, len: usize)
    where
        A: Writable,
    {
        // SAFETY: as in `raw_len`, and writable.
        let cell = unsafe { AtomicU64::from_ptr(self.len.as_mut_ptr()) };
        cell.store(len as u64, Ordering::Release);
    }
}
