//! Copies of one value, unrolled when compiling.

use super::{
    read_1, read_2, read_4, read_8, read_16, write_1, write_2, write_4, write_8, write_16,
};

/// Values of up to this many bytes are moved by [`read_value`] and [`write_value`].
pub(crate) const LARGEST_VALUE: Option<usize> = Some(256);

/// Does `$move` at the offsets given, which are multiples of its size, as far as a value of `T` goes.
macro_rules! steps {
    ($ty:ty, $dst:expr, $src:expr, $move:ident, $bytes:literal, $($at:literal)*) => {{
        $(
            if const { $at + $bytes <= size_of::<$ty>() } {
                // SAFETY: by the caller; the value has these bytes.
                unsafe { $move::<$at>($dst, $src) };
            }
        )*
    }};
}

/// Does `$move` after all larger moves, if the size of `T` has its bit.
macro_rules! rest {
    ($ty:ty, $dst:expr, $src:expr, $($move:ident $bytes:literal)*) => {{
        $(
            if const { size_of::<$ty>() & $bytes != 0 } {
                let at = const { size_of::<$ty>() & !(2 * $bytes - 1) };
                at!($dst.wrapping_add(at), $src.wrapping_add(at), $move, 0);
            }
        )*
    }};
}

/// Reads a value, without a call and without branches.
///
/// # Safety
///
/// As [`read`](super::read), with the size of `T`, which is at most [`LARGEST_VALUE`].
#[inline(always)]
pub(crate) unsafe fn read_value<T>(dst: *mut T, src: *const T) {
    let (dst, src): (*mut u8, *const u8) = (dst.cast(), src.cast());
    steps!(T, dst, src, read_16, 16, 0 16 32 48 64 80 96 112 128 144 160 176 192 208 224 240);
    if const { size_of::<T>() > 16 && (size_of::<T>() % 16).count_ones() > 1 } {
        // Instead of several moves, one that overlaps the last.
        let at = const { size_of::<T>().saturating_sub(16) };
        at!(dst.wrapping_add(at), src.wrapping_add(at), read_16, 0);
    } else {
        rest!(T, dst, src, read_8 8 read_4 4 read_2 2 read_1 1);
    }
}

/// Writes a value, without a call and without branches.
///
/// Up to 64 bytes in steps of 8: such a value has often just been stored field by field, and the processor cannot forward two
/// stores to one load.
///
/// # Safety
///
/// As [`write`](super::write), with the size of `T`, which is at most [`LARGEST_VALUE`].
#[inline(always)]
pub(crate) unsafe fn write_value<T>(dst: *mut T, src: *const T) {
    let (dst, src): (*mut u8, *const u8) = (dst.cast(), src.cast());
    if const { size_of::<T>() <= 64 } {
        steps!(T, dst, src, write_8, 8, 0 8 16 24 32 40 48 56);
    } else {
        steps!(T, dst, src, write_16, 16, 0 16 32 48 64 80 96 112 128 144 160 176 192 208 224 240);
        rest!(T, dst, src, write_8 8);
    }
    rest!(T, dst, src, write_4 4 write_2 2 write_1 1);
}
