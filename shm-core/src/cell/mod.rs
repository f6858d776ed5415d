//! Cells: the only way to shared bytes.
//!
//! No `&T` and no `&mut T` into shared memory ever exists. A [`ShmCell`] is a place that holds a `T`, and every
//! access to it is atomic: one relaxed access per leaf, of the leaf's own size (two of 8 bytes for 128-bit
//! numbers). Other processes may therefore write at the same time, and may write any bytes.

mod bulk;
pub(crate) mod checked;
mod cmp;
pub(crate) mod copy;
mod debug;
mod fmt;
mod impls;
mod leaf;
mod slice;
mod value;

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::panic::RefUnwindSafe;

use crate::access::{Access, ReadOnly, ReadWrite, Writable};
use crate::error::InvalidValue;
use crate::shm_layout::ShmLayout;

pub(crate) use checked::validate;
pub use checked::{Checked, CheckedLeaf};
pub(crate) use debug::Value;
pub(crate) use fmt::{NulPadded, RawOffset};
pub use leaf::{AnyLeaf, Leaf, Plain};
pub use slice::{ShmSlice, SliceIndex};
pub use value::ShmValue;

/// A place in shared memory that holds a `T`.
///
/// It has the size and alignment of `T` and is only ever seen behind a reference, as a field or an element of a
/// mapped segment. Which methods it has depends on `T`:
///
/// - numbers and `bool`: [`get`](Self::get) and [`set`](Self::set);
/// - enums and `char`: [`try_get`](Self::try_get) and [`set`](Self::set);
/// - structs: their fields, each a cell, by dereference;
/// - arrays: [`ShmSlice`](crate::ShmSlice), by dereference;
/// - atomics: the atomic itself, by dereference; only its `load` when `A` is [`ReadOnly`];
/// - every `Copy` type: [`load`](Self::load) and [`store`](Self::store) of the whole value.
///
/// # Memory ordering
///
/// All accesses are relaxed: each is whole, but two cells may be seen to change in any order. Use an atomic
/// field with `Release` and `Acquire` to order them.
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Sensor { value: f64, position: [i32; 2] }
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// let shm = Sensor::create_anonymous()?;
/// shm.value.set(1.5);
/// shm.position[1].set(-3);
/// assert_eq!(shm.value.get(), 1.5);
/// assert_eq!(shm.position.load(), [0, -3]);
/// # Ok(()) }
/// ```
#[repr(transparent)]
pub struct ShmCell<T, A: Access = ReadWrite> {
    /// # Invariants
    ///
    /// 1. Every cell lies in a live mapping of shared memory (or other memory that is only accessed atomically),
    ///    aligned for `T`, readable, and writable if `A` is [`Writable`].
    /// 2. Its bytes may be anything: they are never seen as a `T`, only moved as leaves of their own width.
    ///
    /// Upheld because no function makes a cell by value: references to them come from `view_at` on the payload
    /// of a mapping, which outlives them.
    place: UnsafeCell<MaybeUninit<T>>,
    access: PhantomData<A>,
}

// SAFETY: every access through `&ShmCell` is atomic, so threads may share it.
unsafe impl<T, A: Access> Sync for ShmCell<T, A> {}

// SAFETY: no cell is ever owned, so none is ever sent. The bound makes this a marker: a cell is `Send` exactly if
// all leaves of `T` are `Plain`, through any nesting of structs and arrays. `ShmValue` builds on it.
unsafe impl<T: ShmLayout, A: Access> Send for ShmCell<T, A> where T::View<A>: Send {}

impl<T, A: Access> RefUnwindSafe for ShmCell<T, A> {}

impl<T, A: Access> ShmCell<T, A> {
    /// The address of the cell in this process. Reading or writing through it is for `unsafe` code of your own,
    /// and must be atomic: other processes may access the place at the same time.
    #[must_use]
    #[inline]
    pub const fn as_ptr(&self) -> *const T {
        self.place.get().cast_const().cast()
    }

    /// The same place, but only for reading.
    #[must_use]
    #[inline]
    pub const fn read_only(&self) -> &ShmCell<T, ReadOnly> {
        let cell: *const Self = self;
        // SAFETY: the two types differ in `A` alone, which has no bytes; reading is allowed for every `A`.
        unsafe { &*cell.cast::<ShmCell<T, ReadOnly>>() }
    }

    /// The address for writing. Only callers with `A: Writable` may write through it.
    #[inline]
    pub(crate) const fn as_mut_ptr(&self) -> *mut T {
        self.place.get().cast()
    }
}

impl<T: AnyLeaf, A: Access> ShmCell<T, A> {
    /// Reads the value: one relaxed atomic load.
    ///
    /// Any bytes that another process may have written are a value: a `bool` is `true` for every byte but 0. Enums and
    /// `char`, of which that is not so, have [`try_get`](Self::try_get) instead.
    #[must_use]
    #[inline(always)]
    pub fn get(&self) -> T
    where
        T: Leaf,
    {
        // SAFETY: the cell is live, aligned and readable (invariant 1).
        unsafe { T::load(self.as_mut_ptr()) }
    }

    /// Reads the value of an enum or `char`: one relaxed atomic load, and a look whether it is one.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`] with what is there, if that is no value of `T`: other processes can write anything.
    #[inline]
    pub fn try_get(&self) -> Result<T, InvalidValue>
    where
        T: CheckedLeaf,
    {
        // SAFETY: the cell is live, aligned and readable (invariant 1).
        unsafe { checked::load(self.as_mut_ptr()) }
    }

    /// Writes the value: one relaxed atomic store.
    #[inline(always)]
    pub fn set(&self, value: T)
    where
        A: Writable,
    {
        // SAFETY: the cell is live and aligned, and writable since `A: Writable` (invariant 1).
        unsafe { T::store(self.as_mut_ptr(), value) }
    }
}

impl<T: ShmLayout, A: Access> Deref for ShmCell<T, A> {
    type Target = T::View<A>;

    #[inline(always)]
    fn deref(&self) -> &T::View<A> {
        let view = T::view_at::<A>(self.as_mut_ptr().cast_const().cast(), 0);
        // SAFETY: the view has the size and alignment of `T`, is valid for any bytes and holds only cells and
        // atomics (the contract of `ShmLayout`); the cell is live for as long as `self` is borrowed.
        unsafe { &*view }
    }
}

impl<'a, T: ShmLayout, A: Access, const N: usize> IntoIterator for &'a ShmCell<[T; N], A> {
    type Item = &'a ShmCell<T, A>;
    type IntoIter = std::slice::Iter<'a, ShmCell<T, A>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
