//! Leaves: what one cell holds, and the access that moves it.

use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, Wrapping,
};

use crate::primitive::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::shm_layout::ShmLayout;

/// The view of a leaf of which every bit pattern is a value. It has no methods: the cell's own are enough.
#[derive(Debug)]
pub struct Plain(());

/// A number, `bool`, `char` or enum: what [`ShmCell::set`](crate::ShmCell::set) writes.
///
/// # Safety
///
/// The type has no padding, and `store` writes all of it.
pub unsafe trait AnyLeaf: ShmLayout {
    /// Writes with relaxed atomic accesses.
    ///
    /// # Safety
    ///
    /// `at` is aligned and points to live memory that may be written and is only accessed atomically.
    #[doc(hidden)]
    unsafe fn store(at: *mut Self, value: Self);
}

/// A number or `bool`: what [`ShmCell::get`](crate::ShmCell::get) reads.
///
/// # Safety
///
/// The type accepts what `load` makes of any bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read with `get`: some bytes are no value of it",
    label = "other processes can write bytes that are no `{Self}`",
    note = "write `try_get()`, which checks them"
)]
pub unsafe trait Leaf: AnyLeaf + Copy {
    /// Reads with relaxed atomic accesses.
    ///
    /// # Safety
    ///
    /// `at` is aligned and points to live memory that may be read and is only accessed atomically.
    #[doc(hidden)]
    unsafe fn load(at: *mut Self) -> Self;
}

macro_rules! leaves {
    ($($ty:ty, $atomic:ident, $from:expr, $into:expr);* $(;)?) => {$(
        // SAFETY: the type has the atomic's size, and `$from` accepts every value of it.
        #[diagnostic::do_not_recommend]
        unsafe impl Leaf for $ty {
            #[inline(always)]
            unsafe fn load(at: *mut Self) -> Self {
                const { assert!(size_of::<$ty>() == size_of::<$atomic>() && align_of::<$ty>() == align_of::<$atomic>()) };
                // SAFETY: the caller vouches for the memory; the atomic has the type's size and alignment. Not `from_ptr`,
                // which wants memory that may be written: this may be a read-only page, of which relaxed loads are sound.
                let atomic = unsafe { &*at.cast::<$atomic>() };
                $from(atomic.load(Relaxed))
            }
        }

        // SAFETY: no padding, and all of it is stored.
        unsafe impl AnyLeaf for $ty {
            #[inline(always)]
            unsafe fn store(at: *mut Self, value: Self) {
                // SAFETY: as in `load`, and the memory may be written.
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

// SAFETY: all bits are values. Two halves, each whole, in the order of memory.
#[diagnostic::do_not_recommend]
unsafe impl Leaf for u128 {
    #[inline(always)]
    unsafe fn load(at: *mut Self) -> Self {
        let halves = at.cast::<u64>();
        // SAFETY: the caller vouches for all 16 bytes, and their alignment serves 8 bytes too.
        let first = unsafe { u64::load(halves) };
        // SAFETY: the second half lies within the same 16 bytes.
        let next = unsafe { halves.add(1) };
        // SAFETY: as for the first half.
        let second = unsafe { u64::load(next) };
        bytemuck::must_cast([first, second])
    }
}

// SAFETY: no padding; the two halves are all of it.
unsafe impl AnyLeaf for u128 {
    #[inline(always)]
    unsafe fn store(at: *mut Self, value: Self) {
        let [first, second]: [u64; 2] = bytemuck::must_cast(value);
        let halves = at.cast::<u64>();
        // SAFETY: the caller vouches for all 16 bytes, and their alignment serves 8 bytes too.
        unsafe { u64::store(halves, first) };
        // SAFETY: the second half lies within the same 16 bytes.
        let next = unsafe { halves.add(1) };
        // SAFETY: as for the first half.
        unsafe { u64::store(next, second) };
    }
}

macro_rules! converted {
    ($([$($param:ident)?] $ty:ty, $raw:ty, $from:expr, $into:expr);* $(;)?) => {$(
        // SAFETY: the type has the layout of `$raw`, and `$from` accepts every value of it.
        #[diagnostic::do_not_recommend]
        unsafe impl$(<$param: Leaf>)? Leaf for $ty {
            #[inline(always)]
            unsafe fn load(at: *mut Self) -> Self {
                // SAFETY: the caller vouches for the memory.
                $from(unsafe { <$raw>::load(at.cast()) })
            }
        }

        // SAFETY: no padding, and all of it is stored.
        unsafe impl$(<$param: Leaf>)? AnyLeaf for $ty {
            #[inline(always)]
            unsafe fn store(at: *mut Self, value: Self) {
                // SAFETY: the caller vouches for the memory.
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
