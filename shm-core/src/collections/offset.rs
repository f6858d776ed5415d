//! [`ShmOffset`]: a pointer within a segment.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::access::Access;
use crate::cell::{AnyLeaf, Leaf, Plain, RawOffset, ShmCell};
use crate::diagnostics::shared_with;
use crate::error::ShmError;
use crate::layout::{TypeLayout, TypeName, meaning};
use crate::segment::Shm;
use crate::shm_layout::ShmLayout;

/// The offset of a `T` within the same segment, stored instead of a pointer.
///
/// [`Shm::offset_of`] returns the offset of a cell. [`Shm::resolve`] returns the cell again, in any process and wherever
/// that process has mapped the segment. An offset is an 8-byte integer that counts bytes from the start of the segment's
/// file, so a C program adds it to the address of its mapping of the file. Zero, the value in a new segment, is null.
///
/// It is a [`ShmValue`](crate::ShmValue): [`get`](ShmCell::get) and [`set`](ShmCell::set) are one relaxed access each.
///
/// # Peers
///
/// Any process can write any offset. `resolve` returns an error if there is no `T` at the offset, so following an offset
/// never leads outside the segment or to a location of another type. A list can still be changed into a cycle, so bound
/// the number of steps.
///
/// # Examples
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
/// // In another process, where the segment is mapped at another address:
/// let shm = List::attach_read_only(&name)?;
/// let (mut next, mut seen) = (shm.first.get(), Vec::new());
/// // No more steps than there are nodes: another process may have linked them to a cycle.
/// while !next.is_null() && seen.len() < shm.nodes.len() {
///     let node = shm.resolve(next)?;
///     seen.push(node.value.get());
///     next = node.next.get();
/// }
/// assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1, 0]);
/// # Ok(()) }
/// ```
#[repr(transparent)]
pub struct ShmOffset<T> {
    bytes: u64,
    // Neither owns nor accesses a `T`, so `Send` and `Sync` hold for any `T`.
    target: PhantomData<fn() -> *const T>,
}

impl<T> ShmOffset<T> {
    /// The null offset, which is zero.
    pub const NULL: Self = Self::from_raw(0);

    /// Returns `true` for the null offset.
    #[must_use]
    #[inline]
    pub const fn is_null(self) -> bool {
        self.bytes == 0
    }

    /// Returns the offset of `bytes` from the start of the segment. Any number is allowed; [`Shm::resolve`] checks it.
    #[must_use]
    #[inline]
    pub const fn from_raw(bytes: u64) -> Self {
        Self {
            bytes,
            target: PhantomData,
        }
    }

    /// Returns the number of bytes from the start of the segment, 0 for null.
    #[must_use]
    #[inline]
    pub const fn as_raw(self) -> u64 {
        self.bytes
    }
}

// Not derived, because derives would require the same traits of `T`.

impl<T> Clone for ShmOffset<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ShmOffset<T> {}

/// The null offset.
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

shared_with! {
    // SAFETY: 1. a `u64` and nothing else. 2. `Plain` has no bytes. 3. The address is returned unchanged. The layout of `T`
    // is behind a function, so that a type may have offsets to itself.
    [T: 'static] ShmOffset<T>, T;
    unsafe impl[T: ShmLayout] ShmLayout {
        type View<A: Access> = Plain;
        const LAYOUT: &'static TypeLayout =
            &TypeLayout::meaning(meaning::OFFSET, u64::LAYOUT, Some(|| T::LAYOUT));
        fn view_at<A: Access>(payload: *const (), _: usize) -> *const Self::View<A> {
            payload.cast()
        }
    }
}

// SAFETY: every bit pattern is a valid offset.
#[diagnostic::do_not_recommend]
unsafe impl<T: ShmLayout> Leaf for ShmOffset<T> {
    #[inline(always)]
    unsafe fn load(at: *mut Self) -> Self {
        // SAFETY: by the caller; the type is `repr(transparent)` over a `u64`.
        Self::from_raw(unsafe { u64::load(at.cast()) })
    }
}

// SAFETY: the type has no padding, and all of it is stored.
unsafe impl<T: ShmLayout> AnyLeaf for ShmOffset<T> {
    #[inline(always)]
    unsafe fn store(at: *mut Self, value: Self) {
        // SAFETY: by the caller; the type is `repr(transparent)` over a `u64`.
        unsafe { u64::store(at.cast(), value.bytes) };
    }
}

impl<T: ShmLayout + ?Sized, A: Access> Shm<T, A> {
    /// Returns the offset of a cell in this segment, to be stored instead of a pointer to it.
    ///
    /// # Panics
    ///
    /// Panics if the cell is not in this segment, as mapped by this handle.
    #[must_use]
    #[track_caller]
    pub fn offset_of<U, B: Access>(&self, cell: &ShmCell<U, B>) -> ShmOffset<U> {
        let at = self.offset_in_payload(cell);
        let Some(at) = at else {
            panic!("offset_of: the cell is not in the segment of this handle");
        };
        ShmOffset::from_raw((self.segment().payload_offset() + at) as u64)
    }

    /// Returns the cell at an offset.
    ///
    /// The segment's type has a `U` at that offset, so the cell is inside the segment, aligned, and accessed with the same
    /// widths as through its field. Nothing else is guaranteed: another process may have replaced the offset by that of
    /// another `U`. Every part whose layout has the fingerprint of `U` counts as a `U`, except the insides of strings and
    /// of this crate's other types; the elements of a [`ShmVec`](crate::ShmVec) do count. So no offset bypasses a lock; to
    /// follow offsets within the value that a lock protects, use [`resolve_in`](Self::resolve_in).
    ///
    /// The time it takes depends on the number of fields and their nesting, not on the length of arrays.
    ///
    /// # Errors
    ///
    /// Returns [`BadOffset`](ShmError::BadOffset) if the offset is null or no `U` begins there: a lock protects it, another
    /// process has written it, or it belongs to another segment.
    pub fn resolve<U: ShmLayout>(&self, offset: ShmOffset<U>) -> Result<&ShmCell<U, A>, ShmError> {
        let start = self.segment().payload_offset();
        let at = usize::try_from(offset.bytes)
            .ok()
            .and_then(|bytes| bytes.checked_sub(start))
            .filter(|at| T::LAYOUT.has_cell_at(*at, self.tail(), U::LAYOUT));
        let Some(at) = at else {
            let end = start + self.payload_len();
            return Err(no_such_cell(
                self.name(),
                offset.bytes,
                start..end,
                U::LAYOUT,
                " outside a lock; use `resolve_in` with the guard for what a lock protects",
            ));
        };
        // SAFETY: the layout has a cell at this offset, and all of it is mapped.
        let cell = unsafe { self.payload().byte_add(at) };
        // SAFETY: this is a cell of the layout of `U`, aligned because its offset within the aligned payload is a multiple
        // of its alignment; it lives as long as the handle, is only accessed atomically, and is writable if `A` says so.
        Ok(unsafe { &*cell.cast::<ShmCell<U, A>>() })
    }

    /// Returns the cell at an offset within another cell: [`resolve`](Self::resolve) for the value that a
    /// [`Mutex`](crate::sync::Mutex) protects.
    ///
    /// The result borrows from `within`, so it cannot outlive the guard.
    ///
    /// # Examples
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
    /// let list = shm.lock()?;
    /// list.nodes[3].value.set(7);
    /// list.first.set(shm.offset_of(&list.nodes[3]));
    /// assert_eq!(shm.resolve_in(&list, list.first.get())?.value.get(), 7);
    /// assert!(shm.resolve(list.first.get()).is_err()); // would bypass the lock
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`BadOffset`](ShmError::BadOffset) if the offset is null, if no `U` in `within` begins there, or if `within`
    /// is not in this segment.
    pub fn resolve_in<'c, U: ShmLayout, V: ShmLayout, B: Access>(
        &self,
        within: &'c ShmCell<V, B>,
        offset: ShmOffset<U>,
    ) -> Result<&'c ShmCell<U, B>, ShmError> {
        let start = self.segment().payload_offset();
        let Some(inside) = self.offset_in_payload(within) else {
            let reason = "the cell to search is not in this segment".to_owned();
            return Err(bad_offset(self.name(), offset.bytes, reason));
        };
        let start = start + inside;
        let at = usize::try_from(offset.bytes)
            .ok()
            .and_then(|bytes| bytes.checked_sub(start))
            .filter(|at| V::LAYOUT.has_cell_at(*at, 0, U::LAYOUT));
        let Some(at) = at else {
            let end = start + size_of::<V>();
            return Err(no_such_cell(
                self.name(),
                offset.bytes,
                start..end,
                U::LAYOUT,
                " in the cell to search",
            ));
        };
        // SAFETY: the layout of `within` has a cell at this offset, so the address is inside `within`.
        let cell = unsafe { within.as_ptr().byte_add(at) };
        // SAFETY: this is a part of `within` of the layout of `U`, aligned because its offset there is a multiple of its
        // alignment, which is at most that of `V`; it is only accessed atomically, and writable if `B` says so.
        Ok(unsafe { &*cell.cast::<ShmCell<U, B>>() })
    }

    /// Returns the bytes from the start of the payload to a cell, if all of the cell is in the payload.
    fn offset_in_payload<U, B: Access>(&self, cell: &ShmCell<U, B>) -> Option<usize> {
        cell.as_ptr()
            .addr()
            .checked_sub(self.payload().addr())
            .filter(|at| {
                at.checked_add(size_of::<U>())
                    .is_some_and(|end| end <= self.payload_len())
            })
    }

    /// Returns the length of the payload in bytes, without rounding.
    fn payload_len(&self) -> usize {
        // A segment of this length is mapped, so neither operation overflows.
        T::LAYOUT.size() + T::LAYOUT.tail_stride().unwrap_or(0) * self.tail()
    }
}

#[cold]
fn no_such_cell(
    name: &str,
    offset: u64,
    payload: std::ops::Range<usize>,
    wanted: &TypeLayout,
    where_not: &str,
) -> ShmError {
    let inside = usize::try_from(offset).is_ok_and(|offset| payload.contains(&offset));
    let name_of = TypeName(wanted);
    let reason = if offset == 0 {
        "it is null".to_owned()
    } else if !inside {
        format!(
            "it is outside the payload, bytes {}..{}",
            payload.start, payload.end
        )
    } else if !offset.is_multiple_of(wanted.align() as u64) {
        format!("`{name_of}` has an alignment of {} bytes", wanted.align())
    } else {
        format!("no `{name_of}` begins there{where_not}")
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
