//! Slices of cells: arrays and trailing slices.

use std::mem::MaybeUninit;
use std::ops::{Index, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::slice;

use super::{ShmCell, ShmValue, copy};
use crate::access::{Access, ReadOnly, ReadWrite, Writable};
use crate::error::InvalidValue;
use crate::shm_layout::ShmLayout;

/// A slice of [`ShmCell`]s: what an array or a trailing slice derefs to in shared memory.
///
/// Index it by a number for a cell or by a range for a part, iterate over it, or transfer all values at once. Its
/// length does not come from shared memory, so other processes cannot change it.
///
/// A slice of a [`ShmValue`] compares with `==` to slices, arrays and `Vec`s of values, without an allocation.
///
/// # Memory ordering
///
/// Bulk transfers use one relaxed access per leaf, in any order. Each leaf is whole, but the values that another process
/// writes meanwhile can be partly old and partly new.
///
/// # Examples
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Samples { values: [u32; 8] }
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// let shm = Samples::create_anonymous()?;
/// shm.values.fill(1);
/// shm.values[2..4].write_from(&[20, 30]);
/// assert_eq!(shm.values[3].get(), 30);
/// assert_eq!(shm.values, [1, 1, 20, 30, 1, 1, 1, 1]);
/// assert_eq!(shm.values[2..].to_vec(), [20, 30, 1, 1, 1, 1]);
/// assert_eq!(shm.values.iter().map(|cell| cell.get()).sum::<u32>(), 56);
/// # Ok(()) }
/// ```
#[repr(transparent)]
pub struct ShmSlice<T, A: Access = ReadWrite> {
    cells: [ShmCell<T, A>],
}

impl<T, A: Access> ShmSlice<T, A> {
    pub(crate) fn new(cells: &[ShmCell<T, A>]) -> &Self {
        let cells = std::ptr::from_ref(cells) as *const Self;
        // SAFETY: `ShmSlice` is `repr(transparent)` over this slice.
        unsafe { &*cells }
    }

    /// Returns the number of cells.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.cells.len()
    }

    /// Returns `true` if there are no cells.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns the cells as a standard slice, for its methods: `first`, `chunks`, `split_at` and so on.
    #[must_use]
    #[inline]
    pub const fn as_cells(&self) -> &[ShmCell<T, A>] {
        &self.cells
    }

    /// Returns an iterator over the cells.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, ShmCell<T, A>> {
        self.cells.iter()
    }

    /// Returns the cell at an index or the part in a range, or `None` if it is out of bounds.
    #[must_use]
    #[inline]
    pub fn get<I: SliceIndex<T, A>>(&self, index: I) -> Option<&I::Output> {
        index.get(self)
    }

    /// Returns the same cells without write access.
    #[must_use]
    #[inline]
    pub fn read_only(&self) -> &ShmSlice<T, ReadOnly> {
        let cells = std::ptr::from_ref(self) as *const ShmSlice<T, ReadOnly>;
        // SAFETY: the types differ only in `A`, which has no bytes; reading is allowed for every `A`.
        unsafe { &*cells }
    }

    /// Returns the address of the first cell in this process; see [`ShmCell::as_ptr`].
    #[must_use]
    #[inline]
    pub const fn as_ptr(&self) -> *const T {
        self.cells.as_ptr().cast()
    }

    fn as_mut_ptr(&self) -> *mut T {
        // Derived from the whole slice, not from its first cell.
        self.cells.as_ptr().cast_mut().cast()
    }
}

/// Bulk transfers.
impl<T: ShmLayout, A: Access> ShmSlice<T, A> {
    /// Reads all values into `out`.
    ///
    /// # Panics
    ///
    /// Panics if `out` has a different length. To read a part, use a range: `cells[..out.len()].read_into(out)`.
    #[track_caller]
    pub fn read_into(&self, out: &mut [T])
    where
        T: ShmValue,
    {
        same_len("read_into", self.len(), out.len());
        // SAFETY: the cells are live, aligned and readable; `out` is private and has as many elements; the values written
        // are valid for `T` (`ShmValue`).
        unsafe { copy::read(out.as_mut_ptr().cast::<T>(), self.as_mut_ptr(), self.len()) };
    }

    /// Writes all values from `values`.
    ///
    /// # Panics
    ///
    /// Panics if `values` has a different length. To write a part, use a range:
    /// `cells[..values.len()].write_from(values)`.
    #[track_caller]
    pub fn write_from(&self, values: &[T])
    where
        T: Copy,
        A: Writable,
    {
        same_len("write_from", self.len(), values.len());
        // SAFETY: the cells are live, aligned and writable; `values` is private and has as many values.
        unsafe { copy::write(self.as_mut_ptr(), values.as_ptr().cast::<T>(), self.len()) };
    }

    /// Writes `value` to every cell.
    pub fn fill(&self, value: T)
    where
        T: Copy,
        A: Writable,
    {
        // SAFETY: the cells are live, aligned and writable.
        unsafe { copy::fill(self.as_mut_ptr(), value, self.len()) };
    }

    /// Reads all values into a new `Vec`. For enums and `char`, see [`try_to_vec`](Self::try_to_vec).
    #[must_use]
    pub fn to_vec(&self) -> Vec<T>
    where
        T: ShmValue,
    {
        let mut values = Vec::with_capacity(self.len());
        self.read_uninit(&mut values.spare_capacity_mut()[..self.len()]);
        // SAFETY: `read_uninit` has initialised this many values.
        unsafe { values.set_len(self.len()) };
        values
    }

    /// Copies the values of the cells in `from` to the cells from `to` on, as [`slice::copy_within`] does: unchecked, and in an
    /// order in which no value is overwritten before it was copied.
    ///
    /// # Panics
    ///
    /// Panics if one of the two ranges is out of bounds.
    pub(crate) fn copy_within(&self, from: Range<usize>, to: usize)
    where
        T: Copy,
        A: Writable,
    {
        // The buffer has at most 2 KiB, unless a single value is larger.
        match size_of::<T>() {
            0..=8 => self.copy_chunks::<256>(from, to),
            9..=64 => self.copy_chunks::<32>(from, to),
            _ => self.copy_chunks::<1>(from, to),
        }
    }

    fn copy_chunks<const CHUNK: usize>(&self, from: Range<usize>, to: usize)
    where
        T: Copy,
        A: Writable,
    {
        let (up, down) = (to > from.start, to < from.start);
        let target = &self.cells[to..][..from.len()];
        let source = &self.cells[from];
        let mut buffer = [const { MaybeUninit::uninit() }; CHUNK];
        // Where source and target overlap, each chunk is read before one is written over it.
        if down {
            for (source, target) in source.chunks(CHUNK).zip(target.chunks(CHUNK)) {
                Self::copy_through(&mut buffer, source, target);
            }
        } else if up {
            for (source, target) in source.rchunks(CHUNK).zip(target.rchunks(CHUNK)) {
                Self::copy_through(&mut buffer, source, target);
            }
        }
    }

    /// Copies the values of some cells to as many others, by way of a buffer with room for them.
    fn copy_through(
        buffer: &mut [MaybeUninit<T>],
        source: &[ShmCell<T, A>],
        target: &[ShmCell<T, A>],
    ) where
        T: Copy,
        A: Writable,
    {
        let (source, target) = (Self::new(source), Self::new(target));
        same_len("copy_within", source.len(), target.len());
        let buffer = &mut buffer[..source.len()];
        // SAFETY: the source's cells are live, aligned and readable; the buffer is private and has as many elements.
        unsafe {
            copy::read(
                buffer.as_mut_ptr().cast::<T>(),
                source.as_mut_ptr(),
                source.len(),
            )
        };
        // SAFETY: the target has as many cells, which are live, aligned and writable; the buffer is private, and `read` has
        // initialised all bytes of as many values in it.
        unsafe {
            copy::write(
                target.as_mut_ptr(),
                buffer.as_ptr().cast::<T>(),
                target.len(),
            )
        };
    }

    /// [`read_into`](Self::read_into) for uninitialised memory.
    ///
    /// # Panics
    ///
    /// Panics if `out` has a different length.
    #[track_caller]
    pub(super) fn read_uninit<'o>(&self, out: &'o mut [MaybeUninit<T>]) -> &'o mut [T]
    where
        T: ShmValue,
    {
        same_len("read_into", self.len(), out.len());
        // SAFETY: the cells are live, aligned and readable; `out` is private and has as many elements.
        unsafe { copy::read(out.as_mut_ptr().cast::<T>(), self.as_mut_ptr(), self.len()) };
        // SAFETY: `read` has initialised all of `out`, with values valid for `T` (`ShmValue`).
        unsafe { &mut *(std::ptr::from_mut(out) as *mut [T]) }
    }
}

impl<T: ShmLayout + Copy, A: Access> ShmSlice<T, A> {
    /// Reads all values into a new `Vec` and checks them: the way to read enums and `char`s.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`] for the first element that is not a value of its type.
    pub fn try_to_vec(&self) -> Result<Vec<T>, InvalidValue> {
        let mut values: Vec<T> = Vec::with_capacity(self.len());
        let out: &mut [MaybeUninit<T>] = &mut values.spare_capacity_mut()[..self.len()];
        // SAFETY: the cells are live, aligned and readable; `out` is private and has as many elements.
        unsafe { copy::read_checked(out.as_mut_ptr().cast(), self.as_mut_ptr(), self.len()) }?;
        // SAFETY: this many values are initialised, and all their leaves are valid.
        unsafe { values.set_len(self.len()) };
        Ok(values)
    }
}

#[track_caller]
fn same_len(what: &str, cells: usize, values: usize) {
    assert!(
        cells == values,
        "{what}: length of the cells ({cells}) does not match length of the values ({values})"
    );
}

impl<'a, T, A: Access> IntoIterator for &'a ShmSlice<T, A> {
    type Item = &'a ShmCell<T, A>;
    type IntoIter = slice::Iter<'a, ShmCell<T, A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

mod sealed {
    pub trait Sealed {}
}

/// An index into a [`ShmSlice`]: `usize` or a range of `usize`.
pub trait SliceIndex<T, A: Access>: sealed::Sealed {
    /// What the index refers to: a [`ShmCell`] for `usize`, a [`ShmSlice`] for a range.
    type Output: ?Sized;

    #[doc(hidden)]
    fn get(self, cells: &ShmSlice<T, A>) -> Option<&Self::Output>;

    #[doc(hidden)]
    fn index(self, cells: &ShmSlice<T, A>) -> &Self::Output;
}

impl sealed::Sealed for usize {}

impl<T, A: Access> SliceIndex<T, A> for usize {
    type Output = ShmCell<T, A>;

    #[inline(always)]
    fn get(self, cells: &ShmSlice<T, A>) -> Option<&ShmCell<T, A>> {
        cells.cells.get(self)
    }

    #[inline(always)]
    #[track_caller]
    fn index(self, cells: &ShmSlice<T, A>) -> &ShmCell<T, A> {
        &cells.cells[self]
    }
}

macro_rules! ranges {
    ($($range:ty),*) => {$(
        impl sealed::Sealed for $range {}

        impl<T, A: Access> SliceIndex<T, A> for $range {
            type Output = ShmSlice<T, A>;

            #[inline]
            fn get(self, cells: &ShmSlice<T, A>) -> Option<&ShmSlice<T, A>> {
                cells.cells.get(self).map(ShmSlice::new)
            }

            #[inline]
            #[track_caller]
            fn index(self, cells: &ShmSlice<T, A>) -> &ShmSlice<T, A> {
                ShmSlice::new(&cells.cells[self])
            }
        }
    )*};
}

ranges!(
    Range<usize>,
    RangeFrom<usize>,
    RangeFull,
    RangeInclusive<usize>,
    RangeTo<usize>,
    RangeToInclusive<usize>
);

impl<T, A: Access, I: SliceIndex<T, A>> Index<I> for ShmSlice<T, A> {
    type Output = I::Output;

    #[inline(always)]
    #[track_caller]
    fn index(&self, index: I) -> &I::Output {
        index.index(self)
    }
}
