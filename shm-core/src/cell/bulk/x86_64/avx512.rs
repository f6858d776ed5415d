//! Copies with the registers that AVX-512 adds. They need no `vzeroupper`.

use std::arch::asm;

use super::ALIGN_FROM;
use super::loops;

/// # Safety
///
/// As [`read`](super::read); `len` is more than 64, and the processor has AVX-512VL.
#[inline(always)]
pub(super) unsafe fn read(dst: *mut u8, src: *const u8, len: usize) {
    macro_rules! both_ends {
        ($($line:literal,)*) => {
            // SAFETY: the moves load and store the first and the last bytes, which are at most `len` and together all.
            unsafe {
                asm!(
                    $($line,)*
                    src = in(reg) src,
                    dst = in(reg) dst,
                    len = in(reg) len,
                    out("ymm16") _, out("ymm17") _, out("ymm18") _, out("ymm19") _,
                    out("ymm20") _, out("ymm21") _, out("ymm22") _, out("ymm23") _,
                    options(nostack, preserves_flags),
                );
            }
        };
    }
    if len <= 128 {
        both_ends!(
            "vmovdqu64 ymm16, [{src}]",
            "vmovdqu64 ymm17, [{src} + 32]",
            "vmovdqu64 ymm18, [{src} + {len} - 64]",
            "vmovdqu64 ymm19, [{src} + {len} - 32]",
            "vmovdqu64 [{dst}], ymm16",
            "vmovdqu64 [{dst} + 32], ymm17",
            "vmovdqu64 [{dst} + {len} - 64], ymm18",
            "vmovdqu64 [{dst} + {len} - 32], ymm19",
        );
    } else if len <= 256 {
        both_ends!(
            "vmovdqu64 ymm16, [{src}]",
            "vmovdqu64 ymm17, [{src} + 32]",
            "vmovdqu64 ymm18, [{src} + 64]",
            "vmovdqu64 ymm19, [{src} + 96]",
            "vmovdqu64 ymm20, [{src} + {len} - 128]",
            "vmovdqu64 ymm21, [{src} + {len} - 96]",
            "vmovdqu64 ymm22, [{src} + {len} - 64]",
            "vmovdqu64 ymm23, [{src} + {len} - 32]",
            "vmovdqu64 [{dst}], ymm16",
            "vmovdqu64 [{dst} + 32], ymm17",
            "vmovdqu64 [{dst} + 64], ymm18",
            "vmovdqu64 [{dst} + 96], ymm19",
            "vmovdqu64 [{dst} + {len} - 128], ymm20",
            "vmovdqu64 [{dst} + {len} - 96], ymm21",
            "vmovdqu64 [{dst} + {len} - 64], ymm22",
            "vmovdqu64 [{dst} + {len} - 32], ymm23",
        );
    } else if len < ALIGN_FROM {
        // SAFETY: by the caller.
        unsafe { loops::read_avx512(dst, src, len) }
    } else {
        // SAFETY: by the caller.
        unsafe { loops::copy_avx512(dst, src, len) }
    }
}

/// # Safety
///
/// As [`write`](super::write); `len` is at least 64, and the processor has AVX-512VL.
#[inline(always)]
pub(super) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) {
    if len == 64 {
        // SAFETY: two moves of as many bytes.
        unsafe {
            asm!(
                "vmovdqu64 ymm16, [{src}]",
                "vmovdqu64 ymm17, [{src} + 32]",
                "vmovdqu64 [{dst}], ymm16",
                "vmovdqu64 [{dst} + 32], ymm17",
                src = in(reg) src,
                dst = in(reg) dst,
                out("ymm16") _, out("ymm17") _,
                options(nostack, preserves_flags),
            );
        }
    } else if len < ALIGN_FROM {
        // SAFETY: by the caller.
        unsafe { loops::write_avx512(dst, src, len) }
    } else {
        // SAFETY: by the caller.
        unsafe { loops::copy_avx512(dst, src, len) }
    }
}
