//! Leaves: the types that are read and written with a single access.

use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, Wrapping,
};

use crate::primitive::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::shm_layout::ShmLayout;

/// The view of a leaf for which every bit pattern is valid. It has no methods; those of the cell suffice.
#[derive(Debug)]
pub struct Plain(());

/// A type that [`ShmCell::set`](crate::ShmCell::set) can write with a single access: a number, `bool`, `char` or enum.
///
/// # Safety
///
/// The type has no padding, and `store` writes all of it.
pub unsafe trait AnyLeaf: ShmLayout {
    /// Writes with relaxed atomic accesses.
    ///
    /// # Safety
    ///
    /// `at` is aligned and points to live, writable memory that is only accessed atomically.
    #[doc(hidden)]
    unsafe fn store(at: *mut Self, value: Self);
}

/// A leaf type for which any bytes are a value, readable with [`ShmCell::get`](crate::ShmCell::get): a number or `bool`.
///
/// # Safety
///
/// `load` returns a valid value for any bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read with `get`, because not every bit pattern is valid",
    label = "another process can write bytes that are not a `{Self}`",
    note = "use `try_get()`, which checks the bytes"
)]
pub unsafe trait Leaf: AnyLeaf + Copy {
    /// Reads with relaxed atomic accesses.
    ///
    /// # Safety
    ///
    /// `at` is aligned and points to live, readable memory that is only accessed atomically.
    #[doc(hidden)]
    unsafe fn load(at: *mut Self) -> Self;
}

macro_rules! leaves {
    ($($ty:ty, $atomic:ident, $from:expr, $into:expr);* $(;)?) => {$(
        // SAFETY: the type has the size of the atomic, and `$from` accepts all its values.
        #[diagnostic::do_not_recommend]
        unsafe impl Leaf for $ty {
            #[inline(always)]
            unsafe fn load(at: *mut Self) -> Self {
                const { assert!(size_of::<$ty>() == size_of::<$atomic>() && align_of::<$ty>() == align_of::<$atomic>()) };
                // SAFETY: by the caller; the atomic has the type's size and alignment. `from_ptr` would require writable
                // memory; this can be a read-only page, where relaxed loads are sound.
                let atomic = unsafe { &*at.cast::<$atomic>() };
                $from(atomic.load(Relaxed))
            }
        }

        // SAFETY: the type has no padding, and all of it is stored.
        unsafe impl AnyLeaf for $ty {
            #[inline(always)]
            unsafe fn store(at: *mut Self, value: Self) {
                // SAFETY: as in `load`, and the memory is writable.
                let atomic = unsafe { $atomic::from_ptr(at.cast()) };
                atomic.store($into(value), Relaxed);
            }
        }
    )*};
}

leaves! {
    u8, AtomicU8, std::convert::identity, std::convert::identity;
    u16, AtomicU16, std::convert::identity, std::convert::identity;
    u32, AtomicU32, std::convert::identity, std::convert::identity;
    u64, AtomicU64, std::convert::identity, std::convert::identity;
    i8, AtomicU8, u8::cast_signed, i8::cast_unsigned;
    i16, AtomicU16, u16::cast_signed, i16::cast_unsigned;
    i32, AtomicU32, u32::cast_signed, i32::cast_unsigned;
    i64, AtomicU64, u64::cast_signed, i64::cast_unsigned;
    f32, AtomicU32, f32::from_bits, f32::to_bits;
    f64, AtomicU64, f64::from_bits, f64::to_bits;
    bool, AtomicU8, |byte| byte != 0, u8::from;
}

// SAFETY: all bit patterns are valid. The two halves are loaded in memory order, each whole.
#[diagnostic::do_not_recommend]
unsafe impl Leaf for u128 {
    #[inline(always)]
    unsafe fn load(at: *mut Self) -> Self {
        let halves = at.cast::<u64>();
        // SAFETY: by the caller for all 16 bytes, whose alignment is enough for 8.
        let first = unsafe { u64::load(halves) };
        // SAFETY: the second half is within the same 16 bytes.
        let next = unsafe { halves.add(1) };
        // SAFETY: as for the first half.
        let second = unsafe { u64::load(next) };
        bytemuck::must_cast([first, second])
    }
}

// SAFETY: the type has no padding, and the two halves are all of it.
unsafe impl AnyLeaf for u128 {
    #[inline(always)]
    unsafe fn store(at: *mut Self, value: Self) {
        let [first, second]: [u64; 2] = bytemuck::must_cast(value);
        let halves = at.cast::<u64>();
        // SAFETY: by the caller for all 16 bytes, whose alignment is enough for 8.
        unsafe { u64::store(halves, first) };
        // SAFETY: the second half is within the same 16 bytes.
        let next = unsafe { halves.add(1) };
        // SAFETY: as for the first half.
        unsafe { u64::store(next, second) };
    }
}

macro_rules! converted {
    ($([$($param:ident)?] $ty:ty, $raw:ty, $from:expr, $into:expr);* $(;)?) => {$(
        // SAFETY: the type has the layout of `$raw`, and `$from` accepts all its values.
        #[diagnostic::do_not_recommend]
        unsafe impl$(<$param: Leaf>)? Leaf for $ty {
            #[inline(always)]
            unsafe fn load(at: *mut Self) -> Self {
                // SAFETY: by the caller.
                $from(unsafe { <$raw>::load(at.cast()) })
            }
        }

        // SAFETY: the type has no padding, and all of it is stored.
        unsafe impl$(<$param: Leaf>)? AnyLeaf for $ty {
            #[inline(always)]
            unsafe fn store(at: *mut Self, value: Self) {
                // SAFETY: by the caller.
                unsafe { <$raw>::store(at.cast(), $into(value)) };
            }
        }
    )*};
}

converted! {
    [] i128, u128, u128::cast_signed, i128::cast_unsigned;
    [T] Wrapping<T>, T, Wrapping, |wrapping: Wrapping<T>| wrapping.0;
    [] Option<NonZeroU8>, u8, NonZeroU8::new, |value: Self| value.map_or(0, NonZeroU8::get);
    [] Option<NonZeroU16>, u16, NonZeroU16::new, |value: Self| value.map_or(0, NonZeroU16::get);
    [] Option<NonZeroU32>, u32, NonZeroU32::new, |value: Self| value.map_or(0, NonZeroU32::get);
    [] Option<NonZeroU64>, u64, NonZeroU64::new, |value: Self| value.map_or(0, NonZeroU64::get);
    [] Option<NonZeroU128>, u128, NonZeroU128::new, |value: Self| value.map_or(0, NonZeroU128::get);
    [] Option<NonZeroI8>, i8, NonZeroI8::new, |value: Self| value.map_or(0, NonZeroI8::get);
    [] Option<NonZeroI16>, i16, NonZeroI16::new, |value: Self| value.map_or(0, NonZeroI16::get);
    [] Option<NonZeroI32>, i32, NonZeroI32::new, |value: Self| value.map_or(0, NonZeroI32::get);
    [] Option<NonZeroI64>, i64, NonZeroI64::new, |value: Self| value.map_or(0, NonZeroI64::get);
    [] Option<NonZeroI128>, i128, NonZeroI128::new, |value: Self| value.map_or(0, NonZeroI128::get);
}
