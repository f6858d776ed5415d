//! What to store instead of a pointer.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::access::Access;
use crate::cell::{AnyLeaf, Leaf, Plain, RawOffset, ShmCell};
use crate::diagnostics::refused_as_a_whole;
use crate::error::ShmError;
use crate::layout::{TypeLayout, TypeName, meaning};
use crate::segment::Shm;
use crate::shm_layout::ShmLayout;

/// A place in the same segment that holds a `T`: what to store instead of a pointer.
///
/// [`Shm::offset_of`] makes one of a cell, [`Shm::resolve`] finds the cell again, in any process, wherever that has the
/// segment mapped. It is a number of 8 bytes, stored and read like one, with 0 for null: what zeroed memory holds.
///
/// ```
/// use shm_core::{ShmLayout, ShmOffset};
///
/// #[derive(Clone, Copy, ShmLayout)]
/// #[repr(C)]
/// struct Node { value: u64, next: ShmOffset<Node> }
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct List { first: ShmOffset<Node>, nodes: [Node; 8] }
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// # let name = format!("/doc-offset-{}", std::process::id());
/// let shm = List::create(&name)?;
/// for value in 0..8 {
///     let node = &shm.nodes[value];
///     node.store(Node { value: value as u64, next: shm.first.get() });
///     shm.first.set(shm.offset_of(node));
/// }
///
/// // Another process, where the segment lies at another address.
/// let shm = List::attach_read_only(&name)?;
/// let (mut next, mut seen) = (shm.first.get(), Vec::new());
/// // Not more steps than there are nodes: another process may have made a circle.
/// while !next.is_null() && seen.len() < shm.nodes.len() {
///     let node = shm.resolve(next)?;
///     seen.push(node.value.get());
///     next = node.next.get();
/// }
/// assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1, 0]);
/// # Ok(()) }
/// ```
///
/// The number counts bytes from the start of the segment's file, so a program in C adds it to the address where it has
/// mapped the file. Any process can write any number there; `resolve` refuses what does not lead to a `T`.
#[repr(transparent)]
pub struct ShmOffset<T> {
    bytes: u64,
    // Neither owns nor needs a `T`, whatever that is.
    target: PhantomData<fn() -> *const T>,
}

impl<T> ShmOffset<T> {
    /// The offset that leads nowhere.
    pub const NULL: Self = Self::from_raw(0);

    /// Whether it leads nowhere.
    #[must_use]
    #[inline]
    pub const fn is_null(self) -> bool {
        self.bytes == 0
    }

    /// The offset of this many bytes from the start of the segment, which may lead anywhere: [`Shm::resolve`] tells.
    #[must_use]
    #[inline]
    pub const fn from_raw(bytes: u64) -> Self {
        Self {
            bytes,
            target: PhantomData,
        }
    }

    /// Bytes from the start of the segment; 0 for null.
    #[must_use]
    #[inline]
    pub const fn as_raw(self) -> u64 {
        self.bytes
    }
}

// Not derived: none of these needs anything of `T`.

impl<T> Clone for ShmOffset<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ShmOffset<T> {}

/// Null.
impl<T> Default for ShmOffset<T> {
    fn default() -> Self {
        Self::NULL
    }
}

impl<T> PartialEq for ShmOffset<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for ShmOffset<T> {}

impl<T> Hash for ShmOffset<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<T> fmt::Debug for ShmOffset<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RawOffset(self.bytes).fmt(f)
    }
}
refused_as_a_whole!([T] ShmOffset<T>);

// SAFETY: 1. a `u64` and nothing else. 2. `Plain` stands for "the cell is all there is". 3. The address is returned as
// it is. The layout of `T` is named by a function, so that a type may have offsets to itself.
#[diagnostic::do_not_recommend]
unsafe impl<T: ShmLayout> ShmLayout for ShmOffset<T> {
    type View<A: Access> = Plain;
    const LAYOUT: &'static TypeLayout =
        &TypeLayout::meaning(meaning::OFFSET, u64::LAYOUT, Some(|| T::LAYOUT));
    #[inline]
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Plain {
        payload.cast()
    }
}

// SAFETY: every number is an offset.
#[diagnostic::do_not_recommend]
unsafe impl<T: ShmLayout> Leaf for ShmOffset<T> {
    #[inline(always)]
    unsafe fn load(at: *mut Self) -> Self {
        // SAFETY: the caller vouches for the memory; `repr(transparent)`.
        Self::from_raw(unsafe { u64::load(at.cast()) })
    }
}

// SAFETY: no padding, and all of it is stored.
unsafe impl<T: ShmLayout> AnyLeaf for ShmOffset<T> {
    #[inline(always)]
    unsafe fn store(at: *mut Self, value: Self) {
        // SAFETY: the caller vouches for the memory; `repr(transparent)`.
        unsafe { u64::store(at.cast(), value.bytes) };
    }
}

impl<T: ShmLayout + ?Sized, A: Access> Shm<T, A> {
    /// Where a cell lies in this segment: what to store instead of a pointer to it.
    ///
    /// # Panics
    ///
    /// If the cell does not lie in this segment, as mapped by this handle.
    #[must_use]
    #[track_caller]
    pub fn offset_of<U, B: Access>(&self, cell: &ShmCell<U, B>) -> ShmOffset<U> {
        let at = self.offset_in_payload(cell);
        let Some(at) = at else {
            panic!("offset_of: the cell does not lie in the segment of this handle");
        };
        ShmOffset::from_raw((self.segment().payload_offset() + at) as u64)
    }

    /// The cell that an offset leads to.
    ///
    /// By the layout of the segment's type a `U` lies there, so the cell is inside the segment, aligned, and read and
    /// written by the same widths as through its own field. More is not known: another process may have changed the
    /// offset to that of another `U`. A `U` is whatever has the layout of a `U`, by its fingerprint; what the insides of
    /// strings and of this library's other types lead to is never one, except the elements of a [`ShmVec`](crate::ShmVec).
    /// So no offset leads past a lock; [`resolve_in`](Self::resolve_in) follows those between the things that a lock
    /// protects.
    ///
    /// Its time depends on the number of fields and on how deep they nest, not on the length of arrays.
    ///
    /// # Errors
    ///
    /// [`BadOffset`](ShmError::BadOffset) when the offset is null or no `U` begins there: another process has written
    /// it, or it is one of another segment.
    pub fn resolve<U: ShmLayout>(&self, offset: ShmOffset<U>) -> Result<&ShmCell<U, A>, ShmError> {
        let start = self.segment().payload_offset();
        let at = usize::try_from(offset.bytes)
            .ok()
            .and_then(|bytes| bytes.checked_sub(start))
            .filter(|at| T::LAYOUT.has_cell_at(*at, self.tail(), U::LAYOUT));
        let Some(at) = at else {
            let end = start + self.payload_len();
            return Err(refuse(self.name(), offset.bytes, start..end, U::LAYOUT));
        };
        // SAFETY: the layout has a cell at this place, and all of it is mapped.
        let cell = unsafe { self.payload().byte_add(at) };
        // SAFETY: a cell of the layout of `U` lies here, aligned because its offset within the aligned payload is a
        // multiple of its alignment; live as long as the handle, only accessed atomically, and writable if `A` says so.
        Ok(unsafe { &*cell.cast::<ShmCell<U, A>>() })
    }

    /// The cell that an offset leads to, inside of another cell: [`resolve`](Self::resolve) for what a
    /// [`Mutex`](crate::sync::Mutex) protects. The result lives no longer than the guard, so nobody keeps it without the
    /// lock.
    ///
    /// ```
    /// use shm_core::sync::Mutex;
    /// use shm_core::{ShmLayout, ShmOffset};
    ///
    /// #[derive(Clone, Copy, ShmLayout)]
    /// #[repr(C)]
    /// struct Node { value: u64, next: ShmOffset<Node> }
    ///
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct List { first: ShmOffset<Node>, nodes: [Node; 8] }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Mutex::<List>::create_anonymous()?;
    /// let list = shm.lock().map_err(|error| error.to_string())?;
    /// list.nodes[3].value.set(7);
    /// list.first.set(shm.offset_of(&list.nodes[3]));
    /// assert_eq!(shm.resolve_in(&list, list.first.get())?.value.get(), 7);
    /// assert!(shm.resolve(list.first.get()).is_err()); // would get past the lock
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BadOffset`](ShmError::BadOffset) when the offset is null, when no `U` of the cell begins there, or when the cell
    /// does not lie in this segment.
    pub fn resolve_in<'c, U: ShmLayout, V: ShmLayout, B: Access>(
        &self,
        within: &'c ShmCell<V, B>,
        offset: ShmOffset<U>,
    ) -> Result<&'c ShmCell<U, B>, ShmError> {
        let start = self.segment().payload_offset();
        let Some(inside) = self.offset_in_payload(within) else {
            let reason = "the cell to look in does not lie in this segment".to_owned();
            return Err(bad_offset(self.name(), offset.bytes, reason));
        };
        let start = start + inside;
        let at = usize::try_from(offset.bytes)
            .ok()
            .and_then(|bytes| bytes.checked_sub(start))
            .filter(|at| V::LAYOUT.has_cell_at(*at, 0, U::LAYOUT));
        let Some(at) = at else {
            let end = start + size_of::<V>();
            return Err(refuse(self.name(), offset.bytes, start..end, U::LAYOUT));
        };
        // SAFETY: by its layout the cell `within` has a cell at this place, so it does not end before.
        let cell = unsafe { within.as_ptr().byte_add(at) };
        // SAFETY: a part of `within` of the layout of `U`, aligned because its offset in there is a multiple of its
        // alignment, which is at most that of `V`; only accessed atomically, and writable if `B` says so of the whole.
        Ok(unsafe { &*cell.cast::<ShmCell<U, B>>() })
    }

    /// Bytes from the start of the payload to a cell, if all of that lies in there.
    fn offset_in_payload<U, B: Access>(&self, cell: &ShmCell<U, B>) -> Option<usize> {
        cell.as_ptr()
            .addr()
            .checked_sub(self.payload().addr())
            .filter(|at| {
                at.checked_add(size_of::<U>())
                    .is_some_and(|end| end <= self.payload_len())
            })
    }

    /// Bytes of the payload, without what rounds it up.
    fn payload_len(&self) -> usize {
        // The numbers of a segment that is mapped, so neither operation can overflow.
        T::LAYOUT.size() + T::LAYOUT.tail_stride().unwrap_or(0) * self.tail()
    }
}

#[cold]
fn refuse(
    name: &str,
    offset: u64,
    payload: std::ops::Range<usize>,
    wanted: &TypeLayout,
) -> ShmError {
    let inside = usize::try_from(offset).is_ok_and(|offset| payload.contains(&offset));
    let name_of = TypeName(wanted);
    let reason = if offset == 0 {
        "it is null".to_owned()
    } else if !inside {
        format!(
            "the payload has the bytes from {} to {}",
            payload.start, payload.end
        )
    } else if !offset.is_multiple_of(wanted.align() as u64) {
        format!("a `{name_of}` is aligned to {} bytes", wanted.align())
    } else {
        format!("no `{name_of}` begins there")
    };
    bad_offset(name, offset, reason)
}

#[cold]
fn bad_offset(name: &str, offset: u64, reason: String) -> ShmError {
    ShmError::BadOffset {
        name: name.to_owned(),
        offset,
        reason,
    }
}
