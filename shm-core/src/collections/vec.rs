//! A vector of bounded length.

use std::error::Error;
use std::fmt;
use std::slice;

use crate::access::{Access, ReadWrite, Writable, acquire};
use crate::cell::{ShmCell, ShmSlice, ShmValue, SliceIndex};
use crate::diagnostics::refused_as_a_whole;
use crate::error::InvalidValue;
use crate::error::debug_with_text;
use crate::layout::{FieldLayout, TypeLayout, meaning, with_offsets};
use crate::primitive::{AtomicU64, Ordering};
use crate::segment::Shm;
use crate::shm_layout::ShmLayout;

/// A vector of at most `N` values, which lie in the segment itself.
///
/// It exists in shared memory only, where it is a [`ShmVecView`]; there is no value of it, so a struct that has one is
/// not `Copy`.
///
/// **One process at a time** may change it. A lock, or the rules of your program, see to that. Any number may read
/// meanwhile: an element appears after its value is there, but one that is removed and pushed anew while it is read may
/// be seen partly old and partly new.
///
/// The length is a number in shared memory that any process can write. One that is larger than `N` is taken for `N`, and
/// [`try_len`](ShmVecView::try_len) tells. Nothing is ever read or written outside of the `N` elements. A process that
/// dies while it pushes or pops leaves the vector as it was before or as it would be after.
///
/// ```
/// use shm_core::{ShmLayout, ShmVec};
///
/// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
/// #[repr(C)]
/// struct Point { x: f32, y: f32 }
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Path { points: ShmVec<Point, 3> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Path::create_anonymous()?;
/// shm.points.push(Point { x: 1.0, y: 2.0 })?;
/// shm.points.push(Point { x: 3.0, y: 4.0 })?;
/// assert_eq!(shm.points.len(), 2);
/// assert_eq!(shm.points.iter().map(|point| point.y.get()).sum::<f32>(), 6.0);
///
/// shm.points.push(Point { x: 5.0, y: 6.0 })?;
/// let full = shm.points.push(Point { x: 7.0, y: 8.0 }).unwrap_err();
/// assert_eq!(full.0.x, 7.0); // it comes back
///
/// assert_eq!(shm.points.pop(), Some(Point { x: 5.0, y: 6.0 }));
/// if let Some(point) = shm.points.get(0) {
///     point.x.set(-1.0);
/// }
/// assert_eq!(shm.points.to_vec()[0].x, -1.0);
/// # Ok(()) }
/// ```
#[repr(C)]
// There is no value of it: it is the layout of the view.
pub struct ShmVec<T, const N: usize> {
    len: u64,
    items: [T; N],
}

impl<T, const N: usize> fmt::Debug for ShmVec<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShmVec").finish_non_exhaustive()
    }
}
refused_as_a_whole!([T, const N: usize] ShmVec<T, N>);

// SAFETY: 1. the length and as many elements, at the offsets of `repr(C)`. What may lie between and behind them has no
// cell and is never moved: the type is not `Copy`. 2. The view has the same two fields, of cells. 3. The address is
// returned as it is.
#[diagnostic::do_not_recommend]
unsafe impl<T: ShmLayout, const N: usize> ShmLayout for ShmVec<T, N> {
    type View<A: Access> = ShmVecView<T, N, A>;
    const LAYOUT: &'static TypeLayout = &TypeLayout::meaning(
        meaning::VEC,
        const {
            &TypeLayout::structure(
                "ShmVec",
                0,
                size_of::<Self>(),
                align_of::<Self>(),
                const {
                    &with_offsets([
                        FieldLayout::new("len", u64::LAYOUT),
                        FieldLayout::new("items", <[T; N]>::LAYOUT),
                    ])
                },
            )
        },
        None,
    );
    #[inline]
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const ShmVecView<T, N, A> {
        payload.cast()
    }
}

/// A [`ShmVec`] in shared memory: what a cell of one derefs to.
#[repr(C)]
pub struct ShmVecView<T, const N: usize, A: Access = ReadWrite> {
    len: ShmCell<u64, A>,
    items: [ShmCell<T, A>; N],
}

impl<T: ShmLayout, const N: usize, A: Access> ShmVecView<T, N, A> {
    /// The number of elements; `N` where another process has written a larger one.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        usize::try_from(self.raw_len()).map_or(N, |len| len.min(N))
    }

    /// The number of elements, if it is one.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] with the number that is there, if it is larger than `N`: another process has written it.
    /// [`clear`](Self::clear) and [`truncate`](Self::truncate) write a good one.
    pub fn try_len(&self) -> Result<usize, InvalidValue> {
        let len = self.raw_len();
        match usize::try_from(len) {
            Ok(small) if small <= N => Ok(small),
            _ => Err(InvalidValue::new(ShmVec::<T, N>::LAYOUT, len)),
        }
    }

    /// Whether there are no elements: so in a new segment.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements that there is room for: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The elements that are there now, as cells.
    ///
    /// The slice keeps its length. Its cells stay places of the vector when elements are removed, and may then hold
    /// anything of their type.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &ShmSlice<T, A> {
        ShmSlice::new(&self.items[..self.len()])
    }

    /// The cell of an element, or the elements of a range; `None` where there are not so many.
    #[must_use]
    #[inline]
    pub fn get<I: SliceIndex<T, A>>(&self, index: I) -> Option<&I::Output> {
        self.as_slice().get(index)
    }

    /// An iterator over the cells of the elements that are there now.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, ShmCell<T, A>> {
        self.as_slice().iter()
    }

    /// Reads all elements into a `Vec` of this process.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T>
    where
        T: ShmValue,
    {
        self.as_slice().to_vec()
    }

    /// Reads all elements, if each is a value of its type: the way to read enums and `char`s.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] tells the first element that is none.
    pub fn try_to_vec(&self) -> Result<Vec<T>, InvalidValue>
    where
        T: Copy,
    {
        self.as_slice().try_to_vec()
    }

    /// Appends a value.
    ///
    /// # Errors
    ///
    /// [`VecFull`] gives the value back when there are `N` already.
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

    /// Appends all values, or none.
    ///
    /// # Errors
    ///
    /// [`VecFull`] when there is not room for all.
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

    /// Removes the last element and returns it; `None` where there is none.
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

    /// Removes the last element and returns it, if it is a value of its type: [`pop`](Self::pop) for what has enums or
    /// `char`s.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] tells what is there instead. The element is not removed;
    /// [`truncate`](Self::truncate) does that.
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

    /// Removes all elements but the first `len`; nothing where there are no more than these.
    pub fn truncate(&self, len: usize)
    where
        A: Writable,
    {
        // Also where the length is too large, which this mends.
        self.set_len(self.len().min(len));
    }

    /// Removes all elements. Their bytes stay until others are pushed.
    pub fn clear(&self)
    where
        A: Writable,
    {
        self.set_len(0);
    }

    /// What is there for a length, whatever it is. `Acquire`: who sees an element's number sees its value.
    #[inline]
    fn raw_len(&self) -> u64 {
        // SAFETY: the cell is live, aligned and only accessed atomically, in eight bytes.
        let len = unsafe { &*self.len.as_mut_ptr().cast::<AtomicU64>() };
        acquire::<A, _>(len)
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

impl<'a, T: ShmLayout, const N: usize, A: Access> IntoIterator for &'a ShmVecView<T, N, A> {
    type Item = &'a ShmCell<T, A>;
    type IntoIter = slice::Iter<'a, ShmCell<T, A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: ShmLayout, const N: usize, A: Access> IntoIterator for &'a ShmCell<ShmVec<T, N>, A> {
    type Item = &'a ShmCell<T, A>;
    type IntoIter = slice::Iter<'a, ShmCell<T, A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: ShmLayout, const N: usize, A: Access> IntoIterator for &'a Shm<ShmVec<T, N>, A> {
    type Item = &'a ShmCell<T, A>;
    type IntoIter = slice::Iter<'a, ShmCell<T, A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: ShmLayout, const N: usize, A: Access> fmt::Debug for ShmVecView<T, N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// A [`ShmVec`] has no room for what was to be appended, which it gives back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VecFull<T>(pub T);

debug_with_text! { struct VecFull<T>(..); }

impl<T> fmt::Display for VecFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the vector is full; remove elements first, or give its type a larger capacity")
    }
}

impl<T> Error for VecFull<T> {}
