//! Copies on x86-64.
//!
//! Copies into private memory may move a byte twice: at an odd length the last move overlaps the one before it, as in `memcpy`.
//! Each leaf of the copy then comes from the move that was stored last. In shared memory each byte is stored once.

/// Calls a function of an offset and two pointers at several offsets.
macro_rules! at {
    ($dst:expr, $src:expr, $move:ident, $($at:literal)*) => {{
        $(
            // SAFETY: by the caller; the bytes at this offset are a part of the whole.
            unsafe { $move::<$at>($dst, $src) };
        )*
    }};
}

/// One move of `bit` bytes if `count` has this bit. Sizes ascend by powers of two until the destination is aligned, and
/// descend at the end, so no move splits a leaf.
macro_rules! bit {
    ($bit:literal, $count:literal, $register:literal, $move:literal) => {
        concat!(
            "test {",
            $count,
            ":e}, ",
            $bit,
            "\n",
            "jz 30f\n",
            $move,
            " ",
            $register,
            ", [{src}]\n",
            $move,
            " [{dst}], ",
            $register,
            "\n",
            "add {src}, ",
            $bit,
            "\n",
            "add {dst}, ",
            $bit,
            "\n",
            "30:\n",
        )
    };
}

mod avx512;
mod loops;
mod value;

use std::arch::asm;
use std::arch::x86_64::__m128i;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use loops::{copy_avx, copy_short, fill_avx, fill_sse, read_avx, read_sse, write_avx};

pub(crate) use value::{LARGEST_VALUE, read_value, write_value};

/// From this many bytes on, aligning the destination pays off.
const ALIGN_FROM: usize = 4096;

/// The widest registers for copies.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Width {
    /// 16 bytes.
    Sse = 1,
    /// 32 bytes.
    Avx = 2,
    /// 64 bytes, and 16 more registers, with narrow names too (AVX-512VL). Using these needs no `vzeroupper`.
    Avx512 = 3,
}

/// [`Width`] of this processor, or 0 if it has not been detected yet.
static WIDTH: AtomicU8 = AtomicU8::new(0);

/// Whether AVX-512 is known to be available, in one load.
#[inline(always)]
fn has_avx512() -> bool {
    WIDTH.load(Relaxed) == Width::Avx512 as u8
}

fn width() -> Width {
    match WIDTH.load(Relaxed) {
        1 => Width::Sse,
        2 => Width::Avx,
        3 => Width::Avx512,
        _ => detect(),
    }
}

#[cold]
fn detect() -> Width {
    let has_avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
    let width = if has_avx512 {
        Width::Avx512
    } else if is_x86_feature_detected!("avx") {
        Width::Avx
    } else {
        Width::Sse
    };
    WIDTH.store(width as u8, Relaxed);
    width
}

macro_rules! accesses {
    ($($read:ident, $write:ident, $ty:ty, $class:ident, $mov:literal, $register:literal;)*) => {$(
        /// Reads as many bytes as the name says, from `AT` bytes after `src` to `AT` bytes after `dst`, with one load.
        ///
        /// # Safety
        ///
        /// As [`read`](fn@read), for these bytes, which begin and end between two leaves.
        #[inline(always)]
        unsafe fn $read<const AT: usize>(dst: *mut u8, src: *const u8) {
            let value: $ty;
            // SAFETY: by the caller; the instruction only reads these bytes.
            unsafe {
                asm!(
                    concat!($mov, " ", $register, ", [{src} + {at}]"),
                    src = in(reg) src,
                    at = const AT,
                    value = lateout($class) value,
                    options(readonly, nostack, preserves_flags),
                );
            }
            // SAFETY: by the caller; `dst` is private.
            unsafe { dst.wrapping_add(AT).cast::<$ty>().write_unaligned(value) };
        }

        /// Writes as many bytes as the name says, from `AT` bytes after `src` to `AT` bytes after `dst`, with one store.
        ///
        /// # Safety
        ///
        /// As [`write`](fn@write), for these bytes, which begin and end between two leaves.
        #[inline(always)]
        unsafe fn $write<const AT: usize>(dst: *mut u8, src: *const u8) {
            // SAFETY: by the caller; `src` is private and initialised.
            let value = unsafe { src.wrapping_add(AT).cast::<$ty>().read_unaligned() };
            // SAFETY: by the caller; the instruction writes these bytes and nothing else.
            unsafe {
                asm!(
                    concat!($mov, " [{dst} + {at}], ", $register),
                    dst = in(reg) dst,
                    at = const AT,
                    value = in($class) value,
                    options(nostack, preserves_flags),
                );
            }
        }
    )*};
}

accesses! {
    read_16, write_16, __m128i, xmm_reg, "movups", "{value}";
    read_8, write_8, u64, reg, "mov", "{value}";
    read_4, write_4, u32, reg, "mov", "{value:e}";
    read_2, write_2, u16, reg, "mov", "{value:x}";
    read_1, write_1, u8, reg_byte, "mov", "{value}";
}

/// Reads `len` bytes from shared into private memory, with one relaxed access per leaf.
///
/// # Safety
///
/// - `src` is shared memory that is only accessed atomically, `dst` is private; they are valid for reads and for writes of
///   `len` bytes.
/// - Both begin at a leaf and are aligned for every leaf. `len` is a multiple of the largest leaf's size.
pub(crate) unsafe fn read(dst: *mut u8, src: *const u8, len: usize) {
    // Distances from the end are multiples of the largest leaf's size too, so no move begins or ends inside a leaf.
    macro_rules! last {
        ($move:ident, $bytes:literal, $($at:literal)*) => {
            at!(dst.wrapping_add(len - $bytes), src.wrapping_add(len - $bytes), $move, $($at)*)
        };
    }
    // Few branches are taken on each way.
    if len > 64 {
        if has_avx512() {
            // SAFETY: by the caller; AVX-512 is available.
            unsafe { avx512::read(dst, src, len) }
        } else {
            // SAFETY: by the caller.
            unsafe { read_long(dst, src, len) }
        }
    } else if len > 32 {
        at!(dst, src, read_16, 0 16);
        last!(read_16, 32, 0 16);
    } else if len >= 16 {
        at!(dst, src, read_16, 0);
        last!(read_16, 16, 0);
    } else {
        // SAFETY: by the caller.
        unsafe { read_tiny(dst, src, len) }
    }
}

/// # Safety
///
/// As [`read`]; `len` is less than 16.
#[inline]
unsafe fn read_tiny(dst: *mut u8, src: *const u8, len: usize) {
    macro_rules! last {
        ($move:ident, $bytes:literal) => {
            at!(
                dst.wrapping_add(len - $bytes),
                src.wrapping_add(len - $bytes),
                $move,
                0
            )
        };
    }
    if len >= 8 {
        at!(dst, src, read_8, 0);
        last!(read_8, 8);
    } else if len >= 4 {
        at!(dst, src, read_4, 0);
        last!(read_4, 4);
    } else if len >= 2 {
        at!(dst, src, read_2, 0);
        // At an odd length, all leaves are bytes.
        if len == 3 {
            last!(read_1, 1);
        }
    } else if len == 1 {
        at!(dst, src, read_1, 0);
    }
}

/// # Safety
///
/// As [`read`]; `len` is more than 64.
// Like all loops, not inlined: saving the registers that they use would burden short copies.
#[inline(never)]
unsafe fn read_long(dst: *mut u8, src: *const u8, len: usize) {
    macro_rules! both_ends {
        ($bytes:literal, $($at:literal)*) => {{
            at!(dst, src, read_16, $($at)*);
            at!(dst.wrapping_add(len - $bytes), src.wrapping_add(len - $bytes), read_16, $($at)*);
        }};
    }
    if len <= 128 {
        return both_ends!(64, 0 16 32 48);
    }
    match width() {
        // SAFETY: by the caller.
        Width::Sse => unsafe { read_sse(dst, src, len) },
        // SAFETY: by the caller; AVX is available.
        Width::Avx => unsafe { read_avx(dst, src, len) },
        // The first call on this processor.
        // SAFETY: by the caller; AVX-512 is available.
        Width::Avx512 => unsafe { avx512::read(dst, src, len) },
    }
}

/// Writes `len` bytes from private to shared memory, with one relaxed access per leaf.
///
/// # Safety
///
/// As [`read`], but `dst` is the shared memory, and `src` is private and initialised.
pub(crate) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) {
    if len < 64 {
        // SAFETY: by the caller.
        unsafe { copy_short(dst, src, len) }
    } else if has_avx512() {
        // SAFETY: by the caller; AVX-512 is available.
        unsafe { avx512::write(dst, src, len) }
    } else {
        // SAFETY: by the caller.
        unsafe { write_long(dst, src, len) }
    }
}

/// # Safety
///
/// As [`write`]; `len` is at least 64.
#[inline(never)]
unsafe fn write_long(dst: *mut u8, src: *const u8, len: usize) {
    match width() {
        // SAFETY: by the caller.
        _ if len < 128 => unsafe { copy_short(dst, src, len) },
        // SAFETY: by the caller.
        Width::Sse => unsafe { copy_short(dst, src, len) },
        // SAFETY: by the caller; AVX is available.
        Width::Avx if len < ALIGN_FROM => unsafe { write_avx(dst, src, len) },
        // SAFETY: by the caller; AVX is available.
        Width::Avx => unsafe { copy_avx(dst, src, len) },
        // The first call on this processor.
        // SAFETY: by the caller; AVX-512 is available.
        Width::Avx512 => unsafe { avx512::write(dst, src, len) },
    }
}

/// Writes `len` bytes of repetitions of `pattern` to shared memory, with one relaxed access per leaf.
///
/// # Safety
///
/// `dst` is shared memory, valid for writes of `len` bytes and only accessed atomically. It begins at a leaf and is aligned
/// for every leaf. The pattern consists of repetitions of a value whose size is a power of two, of which `len` is a multiple.
pub(crate) unsafe fn fill(dst: *mut u8, pattern: [u64; 2], len: usize) {
    if len < 256 || width() == Width::Sse {
        // SAFETY: by the caller.
        unsafe { fill_sse(dst, pattern, len) };
    } else {
        // SAFETY: by the caller; AVX is available.
        unsafe { fill_avx(dst, pattern, len) };
    }
}

#[cfg(test)]
mod tests;
