//! [`ShmVec`]: a vector of bounded length.

mod cmp;
mod edit;
mod error;

use std::fmt;
use std::slice;

use crate::access::{Access, ReadWrite, acquire};
use crate::cell::{ShmCell, ShmSlice, ShmValue, SliceIndex};
use crate::diagnostics::shared_with;
use crate::error::InvalidValue;
use crate::layout::{FieldLayout, TypeLayout, meaning, with_offsets};
use crate::primitive::AtomicU64;
use crate::segment::Shm;
use crate::shm_layout::ShmLayout;

pub use self::error::{InsertError, VecFull};

/// A vector of at most `N` elements, stored inline in the segment.
///
/// In shared memory, a cell of it derefs to a [`ShmVecView`], which has the methods. There are no values of this type, so
/// a struct with a `ShmVec` field cannot be `Copy`.
///
/// **Only one process at a time may change a vector.** Protect it with a [`Mutex`](crate::sync::Mutex), or have a single
/// writer. Any number of processes can read meanwhile.
///
/// # Memory ordering
///
/// Writing the length is a `Release` store and reading it an `Acquire` load, so a process that sees the new length also
/// sees the new element. Elements themselves are accessed relaxed: one that is removed and pushed again while it is read
/// can be seen partly old and partly new. While [`insert`](ShmVecView::insert), [`remove`](ShmVecView::remove),
/// [`swap_remove`](ShmVecView::swap_remove) or [`retain`](ShmVecView::retain) moves elements, a reader can see one of them twice or
/// not at all.
///
/// # Peers
///
/// Any process can write any length. A length above `N` counts as `N`, and [`try_len`](ShmVecView::try_len) reports it;
/// nothing outside the `N` elements is ever accessed, and no call panics. Each call that changes the vector reads the length
/// once.
///
/// If a process dies in `push`, `pop`, `extend`, `resize` or `truncate`, the call has either taken effect or not. The four
/// methods that move elements write the length last, so a process that dies in one of them can leave an element twice, partly
/// overwritten, or lost. The next owner of a `Mutex` gets [`OwnerDied`](crate::sync::LockError::OwnerDied) and can repair that.
///
/// # Examples
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
/// assert_eq!(full.0.x, 7.0); // the error returns the value
///
/// assert_eq!(shm.points.pop(), Some(Point { x: 5.0, y: 6.0 }));
/// if let Some(point) = shm.points.get(0) {
///     point.x.set(-1.0);
/// }
/// assert_eq!(shm.points.to_vec()[0].x, -1.0);
/// assert_eq!(shm.points, [Point { x: -1.0, y: 2.0 }, Point { x: 3.0, y: 4.0 }]);
/// # Ok(()) }
/// ```
///
/// # Differences from `Vec`
///
/// - No reference to an element exists, as its bytes can change at any time: [`get`](ShmVecView::get), `last` and `iter` give
///   cells. So there is no `sort` or `drain`: change the `Vec` of [`to_vec`](ShmVecView::to_vec), then
///   [`clear`](ShmVecView::clear) and [`extend_from_slice`](ShmVecView::extend_from_slice).
/// - All methods take `&self`, and the length that a call sees is up to the peers. So an index out of bounds gives `None` or
///   an error, not a panic, and [`Extend`], which cannot report a full vector, is not implemented:
///   [`extend`](ShmVecView::extend) is a method.
/// - `==` compares with slices, arrays and `Vec`s, without an allocation. For two vectors in shared memory, read one of them:
///   `shm.a == shm.b.to_vec()`.
/// - Vectors of enums or `char`s compare and remove by the methods that check: [`try_to_vec`](ShmVecView::try_to_vec),
///   [`try_pop`](ShmVecView::try_pop), [`try_remove`](ShmVecView::try_remove),
///   [`try_swap_remove`](ShmVecView::try_swap_remove).
#[repr(C)]
// Never constructed: only describes the layout of the view.
pub struct ShmVec<T, const N: usize> {
    len: u64,
    items: [T; N],
}

impl<T, const N: usize> fmt::Debug for ShmVec<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShmVec").finish_non_exhaustive()
    }
}

shared_with! {
    // SAFETY: 1. the length and `N` elements, at the offsets of `repr(C)`. Padding between and after them has no cell and is
    // never moved, because the type is not `Copy`. 2. The view has the same two fields, as cells. 3. The address is returned
    // unchanged.
    [T: 'static, const N: usize] ShmVec<T, N>, T;
    unsafe impl[T: ShmLayout, const N: usize] ShmLayout {
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
        fn view_at<A: Access>(payload: *const (), _: usize) -> *const Self::View<A> {
            payload.cast()
        }
    }
}

/// A [`ShmVec`] in shared memory: what a cell of it derefs to.
#[repr(C)]
pub struct ShmVecView<T, const N: usize, A: Access = ReadWrite> {
    len: ShmCell<u64, A>,
    items: [ShmCell<T, A>; N],
}

impl<T: ShmLayout, const N: usize, A: Access> ShmVecView<T, N, A> {
    /// Returns the number of elements, or `N` if another process has written a larger length.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        usize::try_from(self.raw_len()).map_or(N, |len| len.min(N))
    }

    /// Returns the number of elements, if it is valid.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`], with the length found, if it is above `N`: another process has written it.
    /// [`clear`](Self::clear) and [`truncate`](Self::truncate) write a valid length.
    pub fn try_len(&self) -> Result<usize, InvalidValue> {
        let len = self.raw_len();
        match usize::try_from(len) {
            Ok(small) if small <= N => Ok(small),
            _ => Err(InvalidValue::new(ShmVec::<T, N>::LAYOUT, len)),
        }
    }

    /// Returns `true` if there are no elements, as in a new segment.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `true` if there are `N` elements, so that the next `push` fails.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len() == N
    }

    /// Returns the capacity in elements, `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Returns the current elements as a slice of cells.
    ///
    /// The length of the slice is that of the vector at this moment. If elements are removed later, their cells remain
    /// usable and hold arbitrary values.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &ShmSlice<T, A> {
        ShmSlice::new(&self.items[..self.len()])
    }

    /// Returns the cell at an index or the part in a range, or `None` if it is out of bounds.
    #[must_use]
    #[inline]
    pub fn get<I: SliceIndex<T, A>>(&self, index: I) -> Option<&I::Output> {
        self.as_slice().get(index)
    }

    /// Returns the cell of the last element, or `None` if the vector is empty.
    #[must_use]
    #[inline]
    pub fn last(&self) -> Option<&ShmCell<T, A>> {
        self.as_slice().as_cells().last()
    }

    /// Returns an iterator over the cells of the current elements.
    #[inline]
    pub fn iter(&self) -> slice::Iter<'_, ShmCell<T, A>> {
        self.as_slice().iter()
    }

    /// Reads all elements into a `Vec`.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T>
    where
        T: ShmValue,
    {
        self.as_slice().to_vec()
    }

    /// Reads all elements into a `Vec` and checks them: the way to read enums and `char`s.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`] for the first element that is not a value of its type.
    pub fn try_to_vec(&self) -> Result<Vec<T>, InvalidValue>
    where
        T: Copy,
    {
        self.as_slice().try_to_vec()
    }

    /// Reads the length, unchecked. `Acquire`: a reader that sees an element in the length also sees its value.
    #[inline]
    fn raw_len(&self) -> u64 {
        // SAFETY: the cell is live, aligned and only accessed atomically, in eight bytes.
        let len = unsafe { &*self.len.as_mut_ptr().cast::<AtomicU64>() };
        acquire::<A, _>(len)
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
