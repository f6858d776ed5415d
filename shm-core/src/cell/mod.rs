//! Cells: the only access to the payload of a segment.
//!
//! No `&T` or `&mut T` into shared memory ever exists. A [`ShmCell`] is a location that holds a `T`. Every access to it
//! is atomic: one relaxed access per leaf, of the leaf's own size (two of 8 bytes for 128-bit integers). So other
//! processes may write at the same time, and may write any bytes.

mod bulk;
pub(crate) mod checked;
mod cmp;
pub(crate) mod copy;
mod debug;
mod fmt;
mod impls;
mod leaf;
mod restricted;
mod slice;
mod value;
mod values;

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::panic::RefUnwindSafe;

use crate::access::{Access, ReadOnly, ReadWrite, Writable};
use crate::error::InvalidValue;
use crate::shm_layout::ShmLayout;

pub use checked::CheckedLeaf;
pub(crate) use checked::validate;
pub(crate) use debug::Value;
pub(crate) use fmt::{NulPadded, RawOffset};
pub use leaf::{AnyLeaf, Leaf};
pub use slice::{ShmSlice, SliceIndex};
pub use value::ShmValue;

pub use crate::access::LoadOnly;

// For the code that the derive generates, by way of `__private`.
#[cfg_attr(doc, doc(hidden))]
pub use self::{checked::Checked, leaf::Plain};

/// A location in shared memory that holds a `T` and is accessed atomically.
///
/// A cell has the size and alignment of `T`. It exists only behind a reference, as a field or an element of a mapped
/// segment. What it offers depends on `T`:
///
/// - numbers and `bool`: [`get`](Self::get) and [`set`](Self::set);
/// - enums and `char`: [`try_get`](Self::try_get) and [`set`](Self::set);
/// - structs: derefs to the fields, each of them a cell;
/// - arrays: derefs to a [`ShmSlice`];
/// - atomics: derefs to the atomic, or to its `load` alone if `A` is [`ReadOnly`];
/// - types of this crate ([`ShmStr`](crate::ShmStr), [`Mutex`](crate::sync::Mutex), ..): derefs to their operations;
/// - every `Copy` type: [`load`](Self::load) and [`store`](Self::store) of the whole value.
///
/// # Memory ordering
///
/// All accesses are relaxed. Each leaf (number, `bool`, `char` or enum) is read and written whole, 128-bit integers as two
/// halves. Changes to different leaves can become visible in any order. To order them, use an atomic field with `Release`
/// and `Acquire`, or a type of [`sync`](crate::sync).
///
/// # Peers
///
/// Another process can write any bytes at any time. What is read is always a valid value of `T` or an error, but not
/// necessarily a value that a process meant to write.
///
/// # Examples
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
    /// 1. Every cell is in a live mapping of shared memory (or other memory that is only accessed atomically),
    ///    aligned for `T`, readable, and writable if `A` is [`Writable`].
    /// 2. Its bytes are arbitrary: they are never read as a `T`, only moved as leaves of their own width.
    ///
    /// Upheld because no function returns a cell by value: references to cells come from `view_at` on the payload of a
    /// mapping, which outlives them.
    value: UnsafeCell<MaybeUninit<T>>,
    access: PhantomData<A>,
}

// SAFETY: every access through `&ShmCell` is atomic, so threads may share it.
unsafe impl<T, A: Access> Sync for ShmCell<T, A> {}

// SAFETY: cells are never owned, so never sent. The bound turns `Send` into a marker: a cell is `Send` exactly if all
// leaves of `T` are `Plain`, through any nesting of structs and arrays. `ShmValue` depends on it.
unsafe impl<T: ShmLayout, A: Access> Send for ShmCell<T, A> where T::View<A>: Send {}

impl<T, A: Access> RefUnwindSafe for ShmCell<T, A> {}

impl<T, A: Access> ShmCell<T, A> {
    /// Returns the address of the cell in this process.
    ///
    /// Other processes may access the same location at any time, so reads and writes through the pointer must be atomic,
    /// of the size of each leaf.
    #[must_use]
    #[inline]
    pub const fn as_ptr(&self) -> *const T {
        self.value.get().cast_const().cast()
    }

    /// Returns the same cell without write access.
    #[must_use]
    #[inline]
    pub const fn read_only(&self) -> &ShmCell<T, ReadOnly> {
        let cell: *const Self = self;
        // SAFETY: the types differ only in `A`, which has no bytes; reading is allowed for every `A`.
        unsafe { &*cell.cast::<ShmCell<T, ReadOnly>>() }
    }

    /// [`as_ptr`](Self::as_ptr) for writing, which is allowed only if `A: Writable`.
    #[inline]
    pub(crate) const fn as_mut_ptr(&self) -> *mut T {
        self.value.get().cast()
    }
}

impl<T: AnyLeaf, A: Access> ShmCell<T, A> {
    /// Reads the value with one relaxed atomic load (two of 8 bytes for 128-bit integers).
    ///
    /// Any bytes are a valid value; a `bool` is `true` for every byte but 0. Enums and `char`, for which that does not
    /// hold, have [`try_get`](Self::try_get) instead.
    #[must_use]
    #[inline(always)]
    pub fn get(&self) -> T
    where
        T: Leaf,
    {
        // SAFETY: the cell is live, aligned and readable (invariant 1).
        unsafe { T::load(self.as_mut_ptr()) }
    }

    /// Reads an enum or `char` with one relaxed atomic load, and checks that it is valid.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidValue`], with the number found, if the bytes are not a value of `T`: another process can write
    /// any bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
    /// #[repr(u8)]
    /// enum Mode { Idle, Running }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mode = Mode::create_anonymous()?;
    /// assert_eq!(mode.cell().try_get()?, Mode::Idle);
    /// mode.cell().set(Mode::Running);
    /// assert_eq!(mode.cell().try_get()?, Mode::Running);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn try_get(&self) -> Result<T, InvalidValue>
    where
        T: CheckedLeaf,
    {
        // SAFETY: the cell is live, aligned and readable (invariant 1).
        unsafe { checked::load(self.as_mut_ptr()) }
    }

    /// Writes the value with one relaxed atomic store (two of 8 bytes for 128-bit integers).
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
        // SAFETY: by the contract of `ShmLayout`, the view has the size and alignment of `T`, is valid for any bytes and
        // consists of cells and atomics; the cell is live for as long as `self` is borrowed.
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
