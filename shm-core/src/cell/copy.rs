//! Copies of whole values between shared and private memory, leaf by leaf.
//!
//! There are four ways, chosen at compile time where possible:
//!
//! 1. A value of few leaves has a [`Plan`]: a constant list of its leaves, which the compiler unrolls to one move each.
//! 2. A larger value is moved by [`bulk`], where that is available: unrolled up to [`bulk::LARGEST_VALUE`] bytes.
//! 3. Slices and larger values are moved by a loop of `bulk`.
//! 4. Otherwise the layout is walked, with one atomic access per leaf.
//!
//! Values read from shared memory are made valid on the private side: the byte of a `bool` becomes 0 or 1. Where these bytes
//! are, [`restricted`](super::restricted) says.

use std::marker::PhantomData;

use super::restricted::{Restricted, mend_one, restricted};
use super::{AnyLeaf, Leaf, bulk, checked};
use crate::error::InvalidValue;
use crate::layout::{AccessWidth, LayoutKind, ScalarKind, TypeLayout};
use crate::shm_layout::ShmLayout;

/// Values with more leaves than this have no plan.
const MAX_MOVES: usize = 32;

/// LLVM simulates at most ten iterations to decide whether unrolling removes a loop, so the moves are split into loops of
/// eight.
const MOVES_PER_LOOP: usize = 8;

/// The copy of one leaf.
#[derive(Clone, Copy)]
struct Move {
    offset: usize,
    width: AccessWidth,
    is_bool: bool,
}

/// All moves of a small value.
#[derive(Clone, Copy)]
struct Moves {
    list: [Move; MAX_MOVES],
    len: usize,
    /// Whether `list` has room for all moves of the value.
    complete: bool,
}

impl Moves {
    const fn of(layout: &TypeLayout) -> Self {
        let none = Move {
            offset: 0,
            width: AccessWidth::W1,
            is_bool: false,
        };
        Self {
            list: [none; MAX_MOVES],
            len: 0,
            complete: true,
        }
        .add(layout, 0)
    }

    const fn push(mut self, next: Move) -> Self {
        if self.len < MAX_MOVES {
            self.list[self.len] = next;
            self.len += 1;
        } else {
            self.complete = false;
        }
        self
    }

    const fn add(mut self, layout: &TypeLayout, offset: usize) -> Self {
        match layout.kind() {
            LayoutKind::Scalar(scalar) => {
                let width = scalar.kind().access_width();
                let is_bool = matches!(scalar.kind(), ScalarKind::Bool);
                let mut done = 0;
                while done < layout.size() {
                    self = self.push(Move {
                        offset: offset + done,
                        width,
                        is_bool,
                    });
                    done += width.bytes();
                }
            }
            LayoutKind::Enum { repr, .. } => {
                let (width, is_bool) = (repr.access_width(), false);
                self = self.push(Move {
                    offset,
                    width,
                    is_bool,
                });
            }
            // Never part of a sized value.
            LayoutKind::Slice { .. } => {}
            LayoutKind::Meaning { inner, .. } => self = self.add(inner, offset),
            LayoutKind::Array { element, len } => {
                let mut i = 0;
                while i < len && self.complete && element.size() > 0 {
                    self = self.add(element, offset + i * element.size());
                    i += 1;
                }
            }
            LayoutKind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() && self.complete {
                    self = self.add(fields[i].layout(), offset + fields[i].offset());
                    i += 1;
                }
            }
        }
        self
    }
}

/// The constant plan of `T`.
struct Plan<T>(PhantomData<T>);

impl<T: ShmLayout> Plan<T> {
    const MOVES: Moves = Moves::of(T::LAYOUT);
}

/// Which side of a move is shared memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared {
    Source,
    Destination,
}

/// Copies one leaf, with one atomic access on the shared side.
///
/// # Safety
///
/// `dst` and `src` are valid for the bytes of the leaf. The side named by `shared` is aligned for it and only accessed
/// atomically; the other side is private.
#[inline(always)]
unsafe fn copy_leaf(dst: *mut u8, src: *const u8, width: AccessWidth, shared: Shared) {
    macro_rules! copy {
        ($ty:ty) => {
            match shared {
                Shared::Source => {
                    // SAFETY: by the caller, `src` is shared, aligned and readable.
                    let value = unsafe { <$ty>::load(src.cast_mut().cast()) };
                    // SAFETY: `dst` is private and writable for these bytes.
                    unsafe { dst.cast::<$ty>().write_unaligned(value) };
                }
                Shared::Destination => {
                    // SAFETY: `src` is private and readable for these bytes, all initialised: leaves have no padding.
                    let value = unsafe { src.cast::<$ty>().read_unaligned() };
                    // SAFETY: `dst` is shared, aligned and writable.
                    unsafe { <$ty>::store(dst.cast(), value) };
                }
            }
        };
    }
    match width {
        AccessWidth::W1 => copy!(u8),
        AccessWidth::W2 => copy!(u16),
        AccessWidth::W4 => copy!(u32),
        AccessWidth::W8 => copy!(u64),
    }
}

/// Copies `bytes` bytes of leaves of one width.
///
/// # Safety
///
/// As [`copy_leaf`], for all of these leaves.
unsafe fn copy_leaves(
    dst: *mut u8,
    src: *const u8,
    width: AccessWidth,
    bytes: usize,
    shared: Shared,
) {
    for offset in (0..bytes).step_by(width.bytes()) {
        // The offset is within the bytes.
        let (dst, src) = (dst.wrapping_add(offset), src.wrapping_add(offset));
        // SAFETY: by the caller.
        unsafe { copy_leaf(dst, src, width, shared) };
    }
}

/// Copies `count` consecutive values of `layout`, with one atomic access per leaf.
///
/// # Safety
///
/// As [`copy_leaf`], for all leaves of all values.
unsafe fn copy_values(
    dst: *mut u8,
    src: *const u8,
    layout: &TypeLayout,
    count: usize,
    shared: Shared,
) {
    if let Some(width) = layout.uniform_width() {
        // SAFETY: by the caller; a uniform layout consists of leaves of one width without gaps.
        return unsafe { copy_leaves(dst, src, width, layout.size() * count, shared) };
    }
    for i in 0..count {
        let (dst, src) = (
            dst.wrapping_add(i * layout.size()),
            src.wrapping_add(i * layout.size()),
        );
        match layout.kind() {
            // Leaves are uniform, and a slice is never part of a sized value.
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } | LayoutKind::Slice { .. } => {}
            // SAFETY: by the caller; these are the same bytes.
            LayoutKind::Meaning { inner, .. } => unsafe { copy_values(dst, src, inner, 1, shared) },
            LayoutKind::Array { element, len } => {
                // SAFETY: by the caller; the elements are the bytes of the array.
                unsafe { copy_values(dst, src, element, len, shared) };
            }
            LayoutKind::Struct { fields, .. } => {
                for field in fields {
                    let (dst, src) = (
                        dst.wrapping_add(field.offset()),
                        src.wrapping_add(field.offset()),
                    );
                    // SAFETY: by the caller; the field is within the struct.
                    unsafe { copy_values(dst, src, field.layout(), 1, shared) };
                }
            }
        }
    }
}

/// Sets the byte of every `bool` in `count` private values to 0 or 1.
///
/// # Safety
///
/// `at` is private memory, valid for reads and writes of `count` values.
pub(super) unsafe fn normalize(at: *mut u8, layout: &TypeLayout, count: usize) {
    if !layout.has_bool() {
        return;
    }
    for i in 0..count {
        let at = at.wrapping_add(i * layout.size());
        match layout.kind() {
            LayoutKind::Scalar(_) => {
                // SAFETY: `has_bool` holds for no scalar but `bool`, which has one byte.
                let byte = unsafe { at.read() };
                // SAFETY: as above.
                unsafe { at.write(u8::from(byte != 0)) };
            }
            // SAFETY: by the caller; these are the same bytes.
            LayoutKind::Meaning { inner, .. } => unsafe { normalize(at, inner, 1) },
            // These hold no `bool`.
            LayoutKind::Enum { .. } | LayoutKind::Slice { .. } => {}
            LayoutKind::Array { element, len } => {
                // SAFETY: by the caller; the elements are the bytes of the array.
                unsafe { normalize(at, element, len) };
            }
            LayoutKind::Struct { fields, .. } => {
                for field in fields {
                    // SAFETY: by the caller; the field is within the struct.
                    unsafe { normalize(at.wrapping_add(field.offset()), field.layout(), 1) };
                }
            }
        }
    }
}

/// Copies `count` values into private memory.
///
/// # Safety
///
/// `src` is shared memory with `count` values of `layout`, live, aligned, and only accessed atomically. `dst` is private
/// memory, valid for writes of as many bytes.
unsafe fn move_in(dst: *mut u8, src: *const u8, layout: &TypeLayout, count: usize) {
    if bulk::WIDE {
        // SAFETY: whole values consist of whole leaves; `src` is aligned for all of them.
        unsafe { bulk::read(dst, src, layout.size() * count) };
    } else {
        // SAFETY: by the caller.
        unsafe { copy_values(dst, src, layout, count, Shared::Source) };
    }
}

/// This many bytes are copied before they are mended and checked, so that they are still in the first-level cache then.
const BLOCK: usize = 8192;

/// [`read`]s `count` values, of a type with `bool`s, enums or `char`s. Returns whether all enums and `char`s are values.
///
/// # Safety
///
/// As [`read`]; `restricted` is the list of `layout`.
unsafe fn read_restricted(
    dst: *mut u8,
    src: *const u8,
    layout: &'static TypeLayout,
    restricted: &Restricted,
    count: usize,
) -> bool {
    let size = layout.size();
    let block = BLOCK.checked_div(size).unwrap_or(0).max(1);
    let (mut valid, mut from) = (true, 0);
    while from < count {
        let some = block.min(count - from);
        let (dst, src) = (dst.wrapping_add(from * size), src.wrapping_add(from * size));
        // SAFETY: by the caller; these are some of the values.
        unsafe { move_in(dst, src, layout, some) };
        // SAFETY: `dst` is private and was just filled.
        valid &= unsafe { settle(dst, layout, restricted, some) };
        from += some;
    }
    valid
}

/// Sets every `bool` in `count` values to 0 or 1, and returns whether all enums and `char`s are values.
///
/// # Safety
///
/// `at` is private memory with `count` values of `layout`, aligned and initialised. `restricted` is the list of `layout`.
unsafe fn settle(
    at: *mut u8,
    layout: &'static TypeLayout,
    restricted: &Restricted,
    count: usize,
) -> bool {
    if restricted.is_complete() {
        // SAFETY: by the caller.
        return unsafe { restricted.settle(at, layout.size(), count) };
    }
    // SAFETY: by the caller.
    unsafe { normalize(at, layout, count) };
    // SAFETY: by the caller.
    unsafe { checked::validate_each(at, layout, count) }.is_ok()
}

/// Reads `count` values from shared memory. Afterwards all bytes of `dst` are initialised; if every leaf of `T` is plain, they
/// are also valid for `T`.
///
/// # Safety
///
/// `src` is shared memory with `count` values of `T`, live, aligned, and only accessed atomically. `dst` is private memory,
/// aligned, and valid for writes of as many.
#[inline]
pub(crate) unsafe fn read<T: ShmLayout>(dst: *mut T, src: *const T, count: usize) {
    let (dst, src) = (dst.cast(), src.cast());
    if const { T::LAYOUT.has_bool() } {
        // SAFETY: by the caller.
        unsafe { read_restricted(dst, src, T::LAYOUT, restricted::<T>(), count) };
    } else if bulk::WIDE {
        // SAFETY: whole values consist of whole leaves; `src` is aligned for all of them.
        unsafe { bulk::read(dst, src, size_of::<T>() * count) };
    } else {
        // SAFETY: by the caller.
        unsafe { copy_values(dst, src, T::LAYOUT, count, Shared::Source) };
    }
}

/// [`read`]s `count` values, and checks their enums and `char`s. If it succeeds, they are valid.
///
/// # Errors
///
/// Returns the first leaf that is no value of its type.
///
/// # Safety
///
/// As [`read`].
#[inline]
pub(super) unsafe fn read_checked<T: ShmLayout>(
    dst: *mut T,
    src: *const T,
    count: usize,
) -> Result<(), InvalidValue> {
    if const { !T::LAYOUT.is_checked() } {
        // SAFETY: by the caller.
        unsafe { read(dst, src, count) };
        return Ok(());
    }
    let (dst, src): (*mut u8, *const u8) = (dst.cast(), src.cast());
    // SAFETY: by the caller.
    if unsafe { read_restricted(dst, src, T::LAYOUT, restricted::<T>(), count) } {
        return Ok(());
    }
    // The same bytes again, this time to name the leaf.
    // SAFETY: by the caller; `dst` was just filled, and is private.
    unsafe { checked::validate_each(dst, T::LAYOUT, count) }
}

/// Writes `count` values to shared memory.
///
/// # Safety
///
/// `src` is private memory with the bytes of `count` values of `T`, all initialised but perhaps invalid: leaves are moved as
/// integers. `dst` is shared memory for as many, live, aligned, writable, and only accessed atomically.
#[inline]
pub(crate) unsafe fn write<T: ShmLayout>(dst: *mut T, src: *const T, count: usize) {
    let (dst, src) = (dst.cast(), src.cast());
    if bulk::WIDE {
        // SAFETY: whole values consist of whole leaves; `dst` is aligned for all of them.
        unsafe { bulk::write(dst, src, size_of::<T>() * count) };
    } else {
        // SAFETY: by the caller.
        unsafe { copy_values(dst, src, T::LAYOUT, count, Shared::Destination) };
    }
}

/// Copies one value from one place in shared memory to another.
///
/// # Safety
///
/// `src` and `dst` are shared memory with a value of `T` each, live, aligned, and only accessed atomically. They do not overlap,
/// and `dst` is writable.
pub(crate) unsafe fn copy_shared<T: ShmLayout>(dst: *mut T, src: *const T) {
    if bulk::WIDE {
        // SAFETY: whole values consist of whole leaves. `dst` is aligned for all of them, and so is `src`, so that a move also
        // loads each leaf at once.
        unsafe { bulk::write(dst.cast(), src.cast(), size_of::<T>()) };
        return;
    }
    let mut private = Box::<T>::new_uninit();
    // SAFETY: by the caller; the box has room for a value.
    unsafe { read(private.as_mut_ptr(), src, 1) };
    // SAFETY: by the caller; `read` has initialised all bytes.
    unsafe { write(dst, private.as_ptr(), 1) };
}

impl<T: ShmLayout> Plan<T> {
    /// Runs the `N`th loop of moves.
    ///
    /// # Safety
    ///
    /// As [`read`] if the source is shared, as [`write`] if the destination is, with one value of `T`.
    #[inline(always)]
    unsafe fn run_loop<const N: usize>(dst: *mut u8, src: *const u8, shared: Shared) {
        let end = const {
            let (len, end) = (Self::MOVES.len, (N + 1) * MOVES_PER_LOOP);
            if len < end { len } else { end }
        };
        for i in N * MOVES_PER_LOOP..end {
            let next = const { &Self::MOVES }.list[i];
            let (dst, src) = (dst.wrapping_add(next.offset), src.wrapping_add(next.offset));
            if next.is_bool && shared == Shared::Source {
                // SAFETY: the leaf is within the shared value; `bool::load` accepts any byte.
                let value = unsafe { bool::load(src.cast_mut().cast()) };
                // SAFETY: the leaf is within the private value.
                unsafe { dst.write(u8::from(value)) };
            } else {
                // SAFETY: the leaf is within both values.
                unsafe { copy_leaf(dst, src, next.width, shared) };
            }
        }
    }

    /// Runs all moves.
    ///
    /// # Safety
    ///
    /// As [`run_loop`](Self::run_loop).
    #[inline(always)]
    unsafe fn run(dst: *mut u8, src: *const u8, shared: Shared) {
        const { assert!(MAX_MOVES == 4 * MOVES_PER_LOOP) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<0>(dst, src, shared) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<1>(dst, src, shared) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<2>(dst, src, shared) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<3>(dst, src, shared) };
    }
}

/// How one value is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By its [`Plan`].
    Planned,
    /// In unrolled wide moves.
    Unrolled,
    /// As a slice of one.
    Called,
}

/// Whether a `T` can be moved in unrolled wide moves.
const fn fits_unrolled<T>() -> bool {
    match bulk::LARGEST_VALUE {
        Some(most) => size_of::<T>() <= most,
        None => false,
    }
}

impl Way {
    /// The way for values of `T`, if a plan is the best up to so many leaves.
    const fn of<T: ShmLayout>(leaves: usize) -> Self {
        let moves = &Plan::<T>::MOVES;
        let is_small = fits_unrolled::<T>();
        // Without optimisation, calls of generic functions cost more than anything else: the fewer the better.
        if bulk::WIDE && cfg!(debug_assertions) {
            Self::Called
        } else if moves.complete && (bulk::LARGEST_VALUE.is_none() || moves.len <= leaves) {
            Self::Planned
        } else if bulk::WIDE
            && is_small
            && (!T::LAYOUT.has_bool() || restricted::<T>().is_complete())
        {
            Self::Unrolled
        } else {
            Self::Called
        }
    }
}

/// Reads one value. Afterwards all bytes of `dst` are initialised; if every leaf of `T` is plain, they are also valid for
/// `T`.
///
/// # Safety
///
/// As [`read`], with one value of `T`.
#[inline(always)]
pub(crate) unsafe fn read_one<T: ShmLayout>(dst: *mut T, src: *const T) {
    // SAFETY: by the caller.
    unsafe { read_by(const { Way::of::<T>(2) }, dst, src) };
}

/// # Safety
///
/// As [`read_one`]; the way is open to values of `T`.
#[inline(always)]
unsafe fn read_by<T: ShmLayout>(way: Way, dst: *mut T, src: *const T) {
    match way {
        // SAFETY: by the caller.
        Way::Planned => unsafe { Plan::<T>::run(dst.cast(), src.cast(), Shared::Source) },
        Way::Unrolled => {
            // SAFETY: by the caller.
            unsafe { bulk::read_value(dst, src) };
            if const { T::LAYOUT.has_bool() } {
                // SAFETY: `dst` is private and was just filled; the list is complete.
                unsafe { mend_one(dst) };
            }
        }
        // SAFETY: by the caller.
        Way::Called => unsafe { read(dst, src, 1) },
    }
}

/// Writes one value.
///
/// # Safety
///
/// As [`write`], with one value of `T`.
#[inline(always)]
pub(crate) unsafe fn write_one<T: ShmLayout>(dst: *mut T, src: *const T) {
    // SAFETY: by the caller.
    unsafe { write_by(const { Way::of::<T>(4) }, dst, src) };
}

/// # Safety
///
/// As [`write_one`]; the way is open to values of `T`.
#[inline(always)]
unsafe fn write_by<T: ShmLayout>(way: Way, dst: *mut T, src: *const T) {
    match way {
        // SAFETY: by the caller.
        Way::Planned => unsafe { Plan::<T>::run(dst.cast(), src.cast(), Shared::Destination) },
        // SAFETY: by the caller.
        Way::Unrolled => unsafe { bulk::write_value(dst, src) },
        // SAFETY: by the caller.
        Way::Called => unsafe { write(dst, src, 1) },
    }
}

/// Writes `value` to `count` consecutive elements.
///
/// # Safety
///
/// As [`write`], with `count` values of `T`.
#[inline]
pub(crate) unsafe fn fill<T: ShmLayout + Copy>(dst: *mut T, value: T, count: usize) {
    if bulk::WIDE && const { matches!(size_of::<T>(), 1 | 2 | 4 | 8 | 16) } {
        let mut bytes = [0_u8; 16];
        for i in 0..const { 16 / size_of_or_one::<T>() } {
            let slot = bytes.as_mut_ptr().cast::<T>().wrapping_add(i);
            // SAFETY: the pattern has room for this many values; `write_unaligned` needs no alignment.
            unsafe { slot.write_unaligned(value) };
        }
        // SAFETY: by the caller; the pattern consists of whole values.
        return unsafe {
            bulk::fill(
                dst.cast(),
                bytemuck::must_cast(bytes),
                size_of::<T>() * count,
            )
        };
    }
    for i in 0..count {
        // SAFETY: this is one of the `count` elements; `value` is private.
        unsafe { write_one(dst.wrapping_add(i), &raw const value) };
    }
}

/// The size of `T`, as a divisor.
const fn size_of_or_one<T>() -> usize {
    match size_of::<T>() {
        0 => 1,
        size => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies every byte in both directions, in every way that is open to `T`.
    fn every_way_copies<T: ShmLayout>() {
        let size = size_of::<T>();
        // Words, so that a value is aligned.
        let room = size.div_ceil(8) + 1;
        let mut ways = vec![Way::Called];
        if Plan::<T>::MOVES.complete {
            ways.push(Way::Planned);
        }
        if fits_unrolled::<T>() {
            ways.push(Way::Unrolled);
        }
        let bytes = |words: &[u64]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        let source: Vec<u64> = (1..=room as u64)
            .map(|i| i.wrapping_mul(0x0203_0405_0607_0809))
            .collect();
        let mut mended = source.clone();
        // SAFETY: the memory is private, and has room for a value.
        unsafe { normalize(mended.as_mut_ptr().cast(), T::LAYOUT, 1) };
        for way in ways {
            for (reads, expected) in [(true, &mended), (false, &source)] {
                let mut out = vec![!0; room];
                let (dst, src) = (out.as_mut_ptr().cast::<T>(), source.as_ptr().cast::<T>());
                if reads {
                    // SAFETY: both have room for a value, are aligned, and no other thread accesses them.
                    unsafe { read_by(way, dst, src) };
                } else {
                    // SAFETY: as above.
                    unsafe { write_by(way, dst, src) };
                }
                let name = std::any::type_name::<T>();
                assert_eq!(
                    bytes(&out)[..size],
                    bytes(expected)[..size],
                    "{way:?}: {name}"
                );
                assert!(
                    bytes(&out)[size..].iter().all(|byte| *byte == 0xFF),
                    "{way:?}: {name}"
                );
            }
        }
    }

    #[test]
    fn values_are_copied_alike_in_every_way() {
        every_way_copies::<bool>();
        every_way_copies::<u128>();
        every_way_copies::<char>();
        every_way_copies::<[u16; 3]>();
        every_way_copies::<[bool; 8]>();
        every_way_copies::<[[bool; 3]; 7]>();
        every_way_copies::<[u32; 7]>();
        every_way_copies::<[u64; 5]>();
        every_way_copies::<[u8; 31]>();
        every_way_copies::<[bool; 100]>();
        every_way_copies::<[f32; 63]>();
        every_way_copies::<[[u16; 9]; 13]>();
        every_way_copies::<[u64; 32]>();
        every_way_copies::<[bool; 256]>();
        every_way_copies::<[bool; 3000]>();
    }
}
