//! The loops.

use std::arch::asm;

use super::read_16;

/// One store, and a step of `bit` bytes, if `left` has this bit.
macro_rules! fill_bit {
    ($bit:literal, $store:literal) => {
        concat!(
            "test {left:e}, ",
            $bit,
            "\n",
            "jz 30f\n",
            $store,
            "\n",
            "add {dst}, ",
            $bit,
            "\n",
            "30:\n",
        )
    };
}

/// # Safety
///
/// As [`read`](super::read); `len` is at least 64.
#[inline(never)]
pub(super) unsafe fn read_sse(dst: *mut u8, src: *const u8, len: usize) {
    let last = len - 64;
    for at in (0..last).step_by(64).chain([last]) {
        at!(dst.wrapping_add(at), src.wrapping_add(at), read_16, 0 16 32 48);
    }
}

/// A function that reads with aligned stores, except for the first and the last ones.
macro_rules! read_loop {
    ($name:ident, $features:literal, $mov:literal, $end:literal,
        [$a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal],
        $($clobber:tt)*) => {
        /// # Safety
        ///
        #[doc = concat!("As [`read`](super::read); `len` is at least 128, and the processor has ", $features, ".")]
        #[inline(never)]
        pub(super) unsafe fn $name(dst: *mut u8, src: *const u8, len: usize) {
            // SAFETY: the moves store the first 32 bytes, then 128 at a time from the next multiple of 32 on, as long as that is
            // less than `last`, then the last 128 bytes. All are within `len`, and together they are all. `dst` and `src` are
            // aligned for every leaf, so `src` is between two leaves where `dst` is a multiple of 32.
            unsafe {
                asm!(
                    concat!($mov, " ", $a, ", [{src}]"),
                    concat!($mov, " ", $e, ", [{src} + {len} - 128]"),
                    concat!($mov, " ", $f, ", [{src} + {len} - 96]"),
                    concat!($mov, " ", $g, ", [{src} + {len} - 64]"),
                    concat!($mov, " ", $h, ", [{src} + {len} - 32]"),
                    "lea {last}, [{dst} + {len} - 128]",
                    concat!($mov, " [{dst}], ", $a),
                    // From here on, `len` is how far the next multiple is, negated.
                    "mov {len:e}, {dst:e}",
                    "and {len:e}, 31",
                    "sub {len}, 32",
                    "sub {src}, {len}",
                    "sub {dst}, {len}",
                    "cmp {dst}, {last}",
                    "jae 22f",
                    "21:",
                    concat!($mov, " ", $a, ", [{src}]"),
                    concat!($mov, " ", $b, ", [{src} + 32]"),
                    concat!($mov, " ", $c, ", [{src} + 64]"),
                    concat!($mov, " ", $d, ", [{src} + 96]"),
                    concat!($mov, " [{dst}], ", $a),
                    concat!($mov, " [{dst} + 32], ", $b),
                    concat!($mov, " [{dst} + 64], ", $c),
                    concat!($mov, " [{dst} + 96], ", $d),
                    "add {src}, 128",
                    "add {dst}, 128",
                    "cmp {dst}, {last}",
                    "jb 21b",
                    "22:",
                    concat!($mov, " [{last}], ", $e),
                    concat!($mov, " [{last} + 32], ", $f),
                    concat!($mov, " [{last} + 64], ", $g),
                    concat!($mov, " [{last} + 96], ", $h),
                    $end,
                    src = inout(reg) src => _,
                    dst = inout(reg) dst => _,
                    len = inout(reg) len => _,
                    last = out(reg) _,
                    $(out($clobber) _,)*
                    options(nostack),
                );
            }
        }
    };
}

// `vzeroupper` changes the upper parts of all registers that it knows.
read_loop!(read_avx, "AVX", "vmovdqu", "vzeroupper", ["ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7"],
    "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7"
    "ymm8" "ymm9" "ymm10" "ymm11" "ymm12" "ymm13" "ymm14" "ymm15");
read_loop!(read_avx512, "AVX-512VL", "vmovdqu64", "", ["ymm16" "ymm17" "ymm18" "ymm19" "ymm20" "ymm21" "ymm22" "ymm23"],
    "ymm16" "ymm17" "ymm18" "ymm19" "ymm20" "ymm21" "ymm22" "ymm23");

/// A function that writes without aligning the destination.
macro_rules! write_loop {
    ($name:ident, $features:literal, $mov:literal, $end:literal, $x:literal,
        [$a:literal $b:literal $c:literal $d:literal], $($clobber:tt)*) => {
        /// # Safety
        ///
        #[doc = concat!("As [`write`](super::write); `len` is at least 64, and the processor has ", $features, ".")]
        #[inline(never)]
        pub(super) unsafe fn $name(dst: *mut u8, src: *const u8, len: usize) {
            // SAFETY: the moves store exactly `len` bytes from `dst` on, each once.
            unsafe {
                asm!(
                    "sub {left}, 128",
                    "jb 22f",
                    "21:",
                    concat!($mov, " ", $a, ", [{src}]"),
                    concat!($mov, " ", $b, ", [{src} + 32]"),
                    concat!($mov, " ", $c, ", [{src} + 64]"),
                    concat!($mov, " ", $d, ", [{src} + 96]"),
                    concat!($mov, " [{dst}], ", $a),
                    concat!($mov, " [{dst} + 32], ", $b),
                    concat!($mov, " [{dst} + 64], ", $c),
                    concat!($mov, " [{dst} + 96], ", $d),
                    "add {src}, 128",
                    "add {dst}, 128",
                    "sub {left}, 128",
                    "jae 21b",
                    "22:",
                    // `left` is 128 too low; its lower seven bits still count the bytes left.
                    "test {left:e}, 127",
                    "jz 29f",
                    "test {left:e}, 64",
                    "jz 23f",
                    concat!($mov, " ", $a, ", [{src}]"),
                    concat!($mov, " ", $b, ", [{src} + 32]"),
                    concat!($mov, " [{dst}], ", $a),
                    concat!($mov, " [{dst} + 32], ", $b),
                    "add {src}, 64",
                    "add {dst}, 64",
                    "23:",
                    bit!(32, "left", $a, $mov),
                    bit!(16, "left", $x, $mov),
                    "test {left:e}, 15",
                    "jz 29f",
                    bit!(8, "left", "{word}", "mov"),
                    bit!(4, "left", "{word:e}", "mov"),
                    bit!(2, "left", "{word:x}", "mov"),
                    bit!(1, "left", "{word:l}", "mov"),
                    "29:",
                    $end,
                    src = inout(reg) src => _,
                    dst = inout(reg) dst => _,
                    left = inout(reg) len => _,
                    word = out(reg) _,
                    $(out($clobber) _,)*
                    options(nostack),
                );
            }
        }
    };
}

write_loop!(write_avx, "AVX", "vmovdqu", "vzeroupper", "xmm0", ["ymm0" "ymm1" "ymm2" "ymm3"],
    "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7"
    "ymm8" "ymm9" "ymm10" "ymm11" "ymm12" "ymm13" "ymm14" "ymm15");
write_loop!(write_avx512, "AVX-512VL", "vmovdqu64", "", "xmm16", ["ymm16" "ymm17" "ymm18" "ymm19"],
    "ymm16" "ymm17" "ymm18" "ymm19");

/// # Safety
///
/// As [`read`](super::read) or [`write`](super::write).
#[inline(always)]
pub(super) unsafe fn copy_short(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the loops move exactly `len` bytes, each once, from `src` to `dst`.
    unsafe {
        asm!(
            "mov {left}, {len}",
            "sub {left}, 64",
            "jb 22f",
            "21:",
            "movups {a}, [{src}]",
            "movups {b}, [{src} + 16]",
            "movups {c}, [{src} + 32]",
            "movups {d}, [{src} + 48]",
            "movups [{dst}], {a}",
            "movups [{dst} + 16], {b}",
            "movups [{dst} + 32], {c}",
            "movups [{dst} + 48], {d}",
            "add {src}, 64",
            "add {dst}, 64",
            "sub {left}, 64",
            "jae 21b",
            "22:",
            // `left` is 64 too low; its lower six bits still count the bytes left.
            "test {left:e}, 63",
            "jz 29f",
            "test {left:e}, 32",
            "jz 28f",
            "movups {a}, [{src}]",
            "movups {b}, [{src} + 16]",
            "movups [{dst}], {a}",
            "movups [{dst} + 16], {b}",
            "add {src}, 32",
            "add {dst}, 32",
            "28:",
            bit!(16, "left", "{a}", "movups"),
            "test {left:e}, 15",
            "jz 29f",
            bit!(8, "left", "{word}", "mov"),
            bit!(4, "left", "{word:e}", "mov"),
            bit!(2, "left", "{word:x}", "mov"),
            bit!(1, "left", "{word:l}", "mov"),
            "29:",
            src = inout(reg) src => _,
            dst = inout(reg) dst => _,
            len = in(reg) len,
            left = out(reg) _,
            word = out(reg) _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            d = out(xmm_reg) _,
            options(nostack),
        );
    }
}

macro_rules! wide {
    ($name:ident, $width:literal, $r:literal, $mov:literal, $head:expr, $tail:expr) => {
        /// # Safety
        ///
        /// As [`read`](super::read) or [`write`](super::write); `len` is at least twice the width, and the processor has the registers.
        #[inline(never)]
        pub(super) unsafe fn $name(dst: *mut u8, src: *const u8, len: usize) {
            // SAFETY: the loops move exactly `len` bytes, each once, from `src` to `dst`. `vzeroupper` changes the
            // upper parts of all registers, so all are clobbers.
            unsafe {
                asm!(
                    // Up to the next multiple of the width in the destination.
                    "mov {count}, {dst}",
                    "neg {count}",
                    concat!("and {count}, ", $width, " - 1"),
                    "sub {left}, {count}",
                    "test {count:e}, 15",
                    "jz 20f",
                    bit!(1, "count", "{word:l}", "mov"),
                    bit!(2, "count", "{word:x}", "mov"),
                    bit!(4, "count", "{word:e}", "mov"),
                    bit!(8, "count", "{word}", "mov"),
                    "20:",
                    bit!(16, "count", "xmm0", "vmovdqu"),
                    $head,
                    concat!("sub {left}, 4 * ", $width),
                    "jb 22f",
                    "21:",
                    concat!($mov, " ", $r, "0, [{src}]"),
                    concat!($mov, " ", $r, "1, [{src} + ", $width, "]"),
                    concat!($mov, " ", $r, "2, [{src} + 2 * ", $width, "]"),
                    concat!($mov, " ", $r, "3, [{src} + 3 * ", $width, "]"),
                    concat!($mov, " [{dst}], ", $r, "0"),
                    concat!($mov, " [{dst} + ", $width, "], ", $r, "1"),
                    concat!($mov, " [{dst} + 2 * ", $width, "], ", $r, "2"),
                    concat!($mov, " [{dst} + 3 * ", $width, "], ", $r, "3"),
                    concat!("add {src}, 4 * ", $width),
                    concat!("add {dst}, 4 * ", $width),
                    concat!("sub {left}, 4 * ", $width),
                    "jae 21b",
                    "22:",
                    // `left` is four widths too low; its lower bits still count the bytes left.
                    concat!("mov {count:e}, {left:e}"),
                    concat!("and {count:e}, 3 * ", $width),
                    "jz 24f",
                    "23:",
                    concat!($mov, " ", $r, "0, [{src}]"),
                    concat!($mov, " [{dst}], ", $r, "0"),
                    concat!("add {src}, ", $width),
                    concat!("add {dst}, ", $width),
                    concat!("sub {count:e}, ", $width),
                    "jnz 23b",
                    "24:",
                    $tail,
                    bit!(16, "left", "xmm0", "vmovdqu"),
                    "vzeroupper",
                    "test {left:e}, 15",
                    "jz 29f",
                    bit!(8, "left", "{word}", "mov"),
                    bit!(4, "left", "{word:e}", "mov"),
                    bit!(2, "left", "{word:x}", "mov"),
                    bit!(1, "left", "{word:l}", "mov"),
                    "29:",
                    src = inout(reg) src => _,
                    dst = inout(reg) dst => _,
                    left = inout(reg) len => _,
                    count = out(reg) _,
                    word = out(reg) _,
                    out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                    out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                    out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                    out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                    options(nostack),
                );
            }
        }
    };
}

wide!(copy_avx, 32, "ymm", "vmovdqu", "", "");
wide!(
    copy_avx512,
    64,
    "zmm",
    "vmovdqu64",
    bit!(32, "count", "ymm0", "vmovdqu"),
    bit!(32, "left", "ymm0", "vmovdqu")
);

/// # Safety
///
/// As [`fill`](super::fill).
#[inline]
pub(super) unsafe fn fill_sse(dst: *mut u8, [first, second]: [u64; 2], len: usize) {
    // SAFETY: the moves store exactly `len` bytes from `dst` on, each once. Less than 16 bytes are left only if a value has at
    // most 8, of which both words of the pattern are repetitions.
    unsafe {
        asm!(
            "movq {a}, {first}",
            "movq {b}, {second}",
            "punpcklqdq {a}, {b}",
            "sub {left}, 64",
            "jb 22f",
            "21:",
            "movups [{dst}], {a}",
            "movups [{dst} + 16], {a}",
            "movups [{dst} + 32], {a}",
            "movups [{dst} + 48], {a}",
            "add {dst}, 64",
            "sub {left}, 64",
            "jae 21b",
            "22:",
            // `left` is 64 too low; its lower six bits still count the bytes left.
            "test {left:e}, 63",
            "jz 29f",
            fill_bit!(32, "movups [{dst}], {a}\nmovups [{dst} + 16], {a}"),
            fill_bit!(16, "movups [{dst}], {a}"),
            fill_bit!(8, "mov [{dst}], {first}"),
            fill_bit!(4, "mov [{dst}], {first:e}"),
            fill_bit!(2, "mov [{dst}], {first:x}"),
            fill_bit!(1, "mov [{dst}], {first:l}"),
            "29:",
            dst = inout(reg) dst => _,
            left = inout(reg) len => _,
            first = in(reg) first,
            second = in(reg) second,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            options(nostack),
        );
    }
}

/// # Safety
///
/// As [`fill`](super::fill); `len` is at least 128, and the processor has AVX.
#[inline(never)]
pub(super) unsafe fn fill_avx(dst: *mut u8, [first, second]: [u64; 2], len: usize) {
    // SAFETY: as in `fill_sse`. `vzeroupper` changes the upper parts of all registers, so all are clobbers.
    unsafe {
        asm!(
            "vmovq xmm0, {first}",
            "vpinsrq xmm0, xmm0, {second}, 1",
            "vinsertf128 ymm0, ymm0, xmm0, 1",
            "sub {left}, 128",
            "21:",
            "vmovdqu [{dst}], ymm0",
            "vmovdqu [{dst} + 32], ymm0",
            "vmovdqu [{dst} + 64], ymm0",
            "vmovdqu [{dst} + 96], ymm0",
            "add {dst}, 128",
            "sub {left}, 128",
            "jae 21b",
            // `left` is 128 too low; its lower seven bits still count the bytes left.
            "test {left:e}, 127",
            "jz 29f",
            fill_bit!(64, "vmovdqu [{dst}], ymm0\nvmovdqu [{dst} + 32], ymm0"),
            fill_bit!(32, "vmovdqu [{dst}], ymm0"),
            fill_bit!(16, "vmovdqu [{dst}], xmm0"),
            fill_bit!(8, "mov [{dst}], {first}"),
            fill_bit!(4, "mov [{dst}], {first:e}"),
            fill_bit!(2, "mov [{dst}], {first:x}"),
            fill_bit!(1, "mov [{dst}], {first:l}"),
            "29:",
            "vzeroupper",
            dst = inout(reg) dst => _,
            left = inout(reg) len => _,
            first = in(reg) first,
            second = in(reg) second,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
            out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
            out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        );
    }
}
