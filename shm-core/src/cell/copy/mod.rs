//! Copies of whole values between shared and private memory, leaf by leaf.
//!
//! There are four ways, chosen at compile time where possible:
//!
//! 1. A value of few leaves has a [`plan`]: a constant list of its leaves, which the compiler unrolls to one move each.
//! 2. A larger value is moved by [`bulk`], where that is available: unrolled up to [`bulk::LARGEST_VALUE`] bytes.
//! 3. Slices and larger values are moved by a loop of `bulk`.
//! 4. Otherwise the layout is walked, with one atomic access per leaf.
//!
//! Values read from shared memory are made valid on the private side: the byte of a `bool` becomes 0 or 1. Where these bytes
//! are, [`restricted`](super::restricted) says.

mod one;
mod plan;

use super::restricted::{Restricted, restricted};
use super::{AnyLeaf, Leaf, bulk, checked};
use crate::error::InvalidValue;
use crate::layout::{AccessWidth, LayoutKind, TypeLayout};
use crate::shm_layout::ShmLayout;

pub(crate) use one::{fill, read_one, write_one};

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
    // Nothing, however many: an array of them can have any length.
    if layout.size() == 0 {
        return;
    }
    for i in 0..count {
        let (dst, src) = (
            dst.wrapping_add(i * layout.size()),
            src.wrapping_add(i * layout.size()),
        );
        match layout.kind() {
            // Leaves and unknown bytes are uniform, and a slice is never part of a sized value.
            LayoutKind::Scalar(_)
            | LayoutKind::Enum { .. }
            | LayoutKind::Unknown { .. }
            | LayoutKind::Slice { .. } => {}
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
            LayoutKind::Enum { .. } | LayoutKind::Unknown { .. } | LayoutKind::Slice { .. } => {}
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

/// Copies `count` values without gaps into private memory. Bytes that are not values of their types stay as they are.
///
/// # Safety
///
/// `src` is shared memory with `count` values of `layout`, live, aligned, and only accessed atomically. `dst` is private
/// memory, valid for writes of as many bytes.
pub(crate) unsafe fn read_values(dst: *mut u8, src: *const u8, layout: &TypeLayout, count: usize) {
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
        unsafe { read_values(dst, src, layout, some) };
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

/// Copies one value without gaps from one place in shared memory to another.
///
/// # Safety
///
/// `src` and `dst` are shared memory with a value of `layout` each, live, aligned, and only accessed atomically. They do not
/// overlap, and `dst` is writable.
pub(crate) unsafe fn copy_shared_value(dst: *mut u8, src: *const u8, layout: &TypeLayout) {
    let mut words = vec![0_u64; layout.size().div_ceil(size_of::<u64>())];
    let private = words.as_mut_ptr().cast::<u8>();
    // SAFETY: by the caller; the private memory has room for a value.
    unsafe { read_values(private, src, layout, 1) };
    if bulk::WIDE {
        // SAFETY: whole values consist of whole leaves; `dst` is aligned for all of them.
        unsafe { bulk::write(dst, private, layout.size()) };
    } else {
        // SAFETY: by the caller.
        unsafe { copy_values(dst, private, layout, 1, Shared::Destination) };
    }
}

/// Copies one value from one place in shared memory to another.
///
/// # Safety
///
/// `src` and `dst` are shared memory with a value of `T` each, live, aligned, and only accessed atomically. They do not overlap,
/// and `dst` is writable. Both are at the same distance from a multiple of 8.
pub(crate) unsafe fn copy_shared<T: ShmLayout>(dst: *mut T, src: *const T) {
    if bulk::WIDE {
        // SAFETY: whole values consist of whole leaves. `dst` is aligned for all of them, and so is `src`, so that a move also
        // loads each leaf at once. Where that takes an alignment to 8 bytes, `src` has it as far as `dst`.
        unsafe { bulk::write(dst.cast(), src.cast(), size_of::<T>()) };
        return;
    }
    let mut private = Box::<T>::new_uninit();
    // SAFETY: by the caller; the box has room for a value.
    unsafe { read(private.as_mut_ptr(), src, 1) };
    // SAFETY: by the caller; `read` has initialised all bytes.
    unsafe { write(dst, private.as_ptr(), 1) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_bytes_are_not_copied_one_by_one() {
        const NOTHING: &TypeLayout = <[[u32; 0]; 3]>::LAYOUT;
        let (mut to, from) = ([7_u32], [8_u32]);
        let (dst, src) = (to.as_mut_ptr().cast(), from.as_ptr().cast());
        // One by one, they would take years.
        // SAFETY: both sides have all bytes of the values, which are none.
        unsafe { copy_values(dst, src, NOTHING, usize::MAX, Shared::Source) };
        assert_eq!(to, [7]);
    }
}
