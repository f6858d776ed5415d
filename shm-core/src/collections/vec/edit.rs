//! Changes of a vector.

use std::ops::Range;

use super::{InsertError, ShmVecView, VecFull};
use crate::access::{Access, Writable};
use crate::cell::{ShmCell, ShmSlice, ShmValue};
use crate::error::InvalidValue;
use crate::primitive::{AtomicU64, Ordering};
use crate::shm_layout::ShmLayout;

/// Changes at the end. A process that dies in one of these calls has either made the change or not.
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

    /// Appends values until the iterator ends or the vector is full.
    ///
    /// All values become visible at once, when the last one is written. If the iterator panics, none is appended. What the
    /// iterator itself appends to this vector is overwritten.
    ///
    /// # Errors
    ///
    /// Returns [`VecFull`], with the first value for which there is no room. The values before it are appended, and those
    /// after it are still in the iterator: to keep them, pass it by reference.
    ///
    /// ```
    /// use shm_core::{ShmLayout, ShmVec};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = <ShmVec<u32, 4>>::create_anonymous()?;
    /// shm.extend(1..=2)?;
    /// let mut more = 3..=9;
    /// let first = shm.extend(more.by_ref()).unwrap_err().0;
    /// assert_eq!(shm.to_vec(), [1, 2, 3, 4]);
    /// assert_eq!((first, more), (5, 6..=9));
    /// # Ok(()) }
    /// ```
    pub fn extend(&self, values: impl IntoIterator<Item = T>) -> Result<(), VecFull<T>>
    where
        T: Copy,
        A: Writable,
    {
        let mut len = self.len();
        let mut first_left = None;
        for value in values {
            let Some(cell) = self.items.get(len) else {
                first_left = Some(value);
                break;
            };
            cell.store(value);
            len += 1;
        }
        self.set_len(len);
        first_left.map_or(Ok(()), |value| Err(VecFull(value)))
    }

    /// Changes the number of elements to `len`: removes those after it, or appends copies of `value`.
    ///
    /// # Errors
    ///
    /// Returns [`VecFull`], without a change, if `len` is above `N`.
    pub fn resize(&self, len: usize, value: T) -> Result<(), VecFull<()>>
    where
        T: Copy,
        A: Writable,
    {
        if len > N {
            return Err(VecFull(()));
        }
        if let Some(added) = self.items.get(self.len()..len) {
            ShmSlice::new(added).fill(value);
        }
        self.set_len(len);
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
        let value = self.try_load_at(last)?;
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

    /// Reads one of the items, which may be after the last element, and checks it.
    fn try_load_at(&self, index: usize) -> Result<T, InvalidValue>
    where
        T: Copy,
    {
        self.items[index]
            .try_load()
            .map_err(|error| error.within(&format!("[{index}]")))
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

/// Changes that move elements.
///
/// Each of these methods moves the elements first and writes the length last. A process that reads meanwhile can see an
/// element twice, partly, or not at all, and a process that dies in the call leaves such a state behind. In a
/// [`Mutex`](crate::sync::Mutex), readers wait and the next owner gets [`OwnerDied`](crate::sync::LockError::OwnerDied).
///
/// Elements that stay are moved unchecked, so these methods work for vectors that hold invalid enums or `char`s.
impl<T: ShmLayout, const N: usize, A: Access> ShmVecView<T, N, A> {
    /// Inserts a value at an index, and moves the elements from there on up by one. An index of `len()` appends.
    ///
    /// # Errors
    ///
    /// Returns [`InsertError`], with the value, if there are `N` elements already, or if there are fewer than `index`.
    ///
    /// ```
    /// use shm_core::collections::InsertError;
    /// use shm_core::{ShmLayout, ShmVec};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = <ShmVec<u32, 3>>::create_anonymous()?;
    /// shm.extend_from_slice(&[1, 3])?;
    /// assert_eq!(shm.insert(3, 9), Err(InsertError::OutOfBounds(9)));
    /// shm.insert(1, 2)?;
    /// assert_eq!(shm.to_vec(), [1, 2, 3]);
    /// assert_eq!(shm.insert(0, 9), Err(InsertError::Full(9)));
    /// # Ok(()) }
    /// ```
    pub fn insert(&self, index: usize, value: T) -> Result<(), InsertError<T>>
    where
        T: Copy,
        A: Writable,
    {
        let len = self.len();
        if index > len {
            return Err(InsertError::OutOfBounds(value));
        }
        if len == N {
            return Err(InsertError::Full(value));
        }
        self.move_items(index..len, index + 1);
        self.items[index].store(value);
        self.set_len(len + 1);
        Ok(())
    }

    /// Removes the element at an index and returns it, or `None` if the index is out of bounds. Moves the elements after it
    /// down by one.
    pub fn remove(&self, index: usize) -> Option<T>
    where
        T: ShmValue,
        A: Writable,
    {
        let len = self.len();
        (index < len).then(|| {
            let value = self.items[index].load();
            self.close_gap(index, len);
            value
        })
    }

    /// Removes the element at an index and returns it, after a check: [`remove`](Self::remove) for types that hold enums or
    /// `char`s.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`] if the element is not a value of its type. It is then not removed; use
    /// [`retain`](Self::retain) to remove it.
    pub fn try_remove(&self, index: usize) -> Result<Option<T>, InvalidValue>
    where
        T: Copy,
        A: Writable,
    {
        let len = self.len();
        if index >= len {
            return Ok(None);
        }
        let value = self.try_load_at(index)?;
        self.close_gap(index, len);
        Ok(Some(value))
    }

    /// Removes the element at an index and returns it, or `None` if the index is out of bounds. Moves the last element to its
    /// place: faster than [`remove`](Self::remove), but the order changes.
    pub fn swap_remove(&self, index: usize) -> Option<T>
    where
        T: ShmValue,
        A: Writable,
    {
        let len = self.len();
        (index < len).then(|| {
            let value = self.items[index].load();
            self.fill_gap(index, len);
            value
        })
    }

    /// Removes the element at an index and returns it, after a check: [`swap_remove`](Self::swap_remove) for types that hold
    /// enums or `char`s.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`] if the element is not a value of its type. It is then not removed; use
    /// [`retain`](Self::retain) to remove it.
    pub fn try_swap_remove(&self, index: usize) -> Result<Option<T>, InvalidValue>
    where
        T: Copy,
        A: Writable,
    {
        let len = self.len();
        if index >= len {
            return Ok(None);
        }
        let value = self.try_load_at(index)?;
        self.fill_gap(index, len);
        Ok(Some(value))
    }

    /// Keeps the elements for which `keep` returns `true`, in their order, and removes the others.
    ///
    /// `keep` gets the cell of each element once, in order, and can also change it. Elements are moved only after the last
    /// call: if `keep` panics, none is removed. What `keep` appends to this vector is removed, and what it removes comes back.
    ///
    /// Allocates one byte per element, for the answers.
    ///
    /// ```
    /// use shm_core::{ShmLayout, ShmVec};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = <ShmVec<char, 5>>::create_anonymous()?;
    /// shm.extend("a1b2".chars())?;
    /// shm.retain(|cell| cell.try_get().is_ok_and(char::is_alphabetic)); // invalid ones are removed
    /// assert_eq!(shm.try_to_vec()?, ['a', 'b']);
    /// # Ok(()) }
    /// ```
    pub fn retain(&self, keep: impl FnMut(&ShmCell<T, A>) -> bool)
    where
        T: Copy,
        A: Writable,
    {
        let answers: Vec<bool> = self.iter().map(keep).collect();
        let (mut at, mut kept) = (0, 0);
        for run in answers.chunk_by(|one, next| one == next) {
            let end = at + run.len();
            if run[0] {
                self.move_items(at..end, kept);
                kept += run.len();
            }
            at = end;
        }
        self.set_len(kept);
    }

    /// Moves the elements after `index` down by one. There are `len` elements, more than `index`.
    fn close_gap(&self, index: usize, len: usize)
    where
        T: Copy,
        A: Writable,
    {
        self.move_items(index + 1..len, index);
        self.set_len(len - 1);
    }

    /// Moves the last element to `index`. There are `len` elements, more than `index`.
    fn fill_gap(&self, index: usize, len: usize)
    where
        T: Copy,
        A: Writable,
    {
        self.move_items(len - 1..len, index);
        self.set_len(len - 1);
    }

    fn move_items(&self, from: Range<usize>, to: usize)
    where
        T: Copy,
        A: Writable,
    {
        ShmSlice::new(&self.items).copy_within(from, to);
    }
}
