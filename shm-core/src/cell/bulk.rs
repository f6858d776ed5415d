//! Copies of many leaves at memory speed.
//!
//! The compiler never vectorises a loop of relaxed atomic accesses. Such a loop takes 1.6 to 2.7 times as long as
//! `memcpy` for eight-byte leaves, and 10 to 23 times as long for bytes. On x86-64 the loop is therefore written in
//! assembly, with moves of 16, 32 or 64 bytes.
//!
//! The assembly performs *one relaxed access per leaf, in any order*. A leaf has at most 8 bytes and its natural
//! alignment, and no move begins or ends inside a leaf, so a single instruction moves each leaf, within a single cache
//! line. Processors with AVX, and all others in use, do not tear such a part of a wider access. Each byte must also be
//! moved only once: a second store of the same leaf could undo what another process wrote in between.
//!
//! Other architectures, Miri, loom, and `--cfg shm_portable_copy` (for the sanitizers, which do not instrument assembly)
//! use the plain loop in [`copy`](super::copy).

/// Whether [`copy`] and [`fill`] are available. Without them every leaf is moved by a separate atomic access.
pub(crate) const WIDE: bool = cfg!(all(
    target_arch = "x86_64",
    not(any(miri, loom, shm_portable_copy))
));

#[cfg(not(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy)))))]
pub(crate) use elsewhere::{copy, fill};
#[cfg(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy))))]
pub(crate) use x86_64::{copy, fill};

/// The length in bytes of the pattern of [`fill`]: a multiple of every leaf's size, and of many small structs'.
pub(crate) const PATTERN: usize = 64;

/// Stubs for builds without the assembly. They are never called: [`WIDE`] is false.
#[cfg(not(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy)))))]
mod elsewhere {
    /// # Safety
    ///
    /// None is needed.
    pub(crate) unsafe fn copy(_: *mut u8, _: *const u8, _: usize) {
        unreachable!("guarded by `WIDE`")
    }

    /// # Safety
    ///
    /// None is needed.
    pub(crate) unsafe fn fill(_: *mut u8, _: &[u8; super::PATTERN], _: usize) {
        unreachable!("guarded by `WIDE`")
    }
}

#[cfg(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy))))]
mod x86_64 {
    use std::arch::asm;

    use super::PATTERN;

    /// From this many bytes on, detecting wider registers and aligning the destination pay off.
    const WIDE_FROM: usize = 256;

    /// Copies `len` bytes from `src` to `dst`, with one relaxed access per leaf.
    ///
    /// # Safety
    ///
    /// - `src` is valid for reads and `dst` for writes of `len` bytes; they do not overlap.
    /// - One side is private memory, the other shared memory that is only accessed atomically. Both begin at a leaf and
    ///   are aligned for every leaf; `len` bytes are a whole number of leaves.
    #[inline]
    pub(crate) unsafe fn copy(dst: *mut u8, src: *const u8, len: usize) {
        if len < WIDE_FROM {
            // SAFETY: this function's own contract.
            unsafe { copy_short(dst, src, len) }
        } else if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: AVX-512 is available; the rest is this function's own contract.
            unsafe { copy_avx512(dst, src, len) }
        } else if std::arch::is_x86_feature_detected!("avx") {
            // SAFETY: AVX is available; the rest is this function's own contract.
            unsafe { copy_avx(dst, src, len) }
        } else {
            // SAFETY: this function's own contract.
            unsafe { copy_short(dst, src, len) }
        }
    }

    /// Writes `len` bytes of repetitions of `pattern` to `dst`, with one relaxed access per leaf.
    ///
    /// # Safety
    ///
    /// - `dst` is shared memory, valid for writes of `len` bytes and only accessed atomically. It begins at a leaf and
    ///   is aligned for every leaf; `len` bytes, and the pattern, are a whole number of values.
    pub(crate) unsafe fn fill(dst: *mut u8, pattern: &[u8; PATTERN], len: usize) {
        let whole = len - len % PATTERN;
        if whole > 0 && std::arch::is_x86_feature_detected!("avx") {
            // SAFETY: AVX is available; `whole` bytes are within `len`.
            unsafe { fill_avx(dst, pattern, whole) };
        } else {
            for at in (0..whole).step_by(PATTERN) {
                // SAFETY: these bytes are within `len`; the pattern is private.
                unsafe { copy_short(dst.wrapping_add(at), pattern.as_ptr(), PATTERN) };
            }
        }
        // SAFETY: the remainder is within `len` and shorter than the pattern.
        unsafe { copy_short(dst.wrapping_add(whole), pattern.as_ptr(), len - whole) };
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

    /// # Safety
    ///
    /// As [`copy`].
    unsafe fn copy_short(dst: *mut u8, src: *const u8, len: usize) {
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
            /// As [`copy`]; `len` is at least twice the width, and the processor has the registers.
            unsafe fn $name(dst: *mut u8, src: *const u8, len: usize) {
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
    /// As [`fill`]; `len` is a nonzero multiple of the pattern's length, and the processor has AVX.
    unsafe fn fill_avx(dst: *mut u8, pattern: &[u8; PATTERN], len: usize) {
        // SAFETY: the loop writes exactly `len` bytes from `dst` on, each once.
        unsafe {
            asm!(
                "vmovdqu ymm0, [{pattern}]",
                "vmovdqu ymm1, [{pattern} + 32]",
                "21:",
                "vmovdqu [{dst}], ymm0",
                "vmovdqu [{dst} + 32], ymm1",
                "add {dst}, 64",
                "sub {len}, 64",
                "jnz 21b",
                "vzeroupper",
                pattern = in(reg) pattern.as_ptr(),
                dst = inout(reg) dst => _,
                len = inout(reg) len => _,
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                options(nostack),
            );
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        type Copy = unsafe fn(*mut u8, *const u8, usize);

        #[test]
        fn every_copy_moves_exactly_the_given_bytes() {
            let mut copies: Vec<(&str, Copy, usize)> =
                vec![("short", copy_short, 0), ("picked", copy, 0)];
            if std::arch::is_x86_feature_detected!("avx") {
                copies.push(("AVX", copy_avx, 64));
            }
            if std::arch::is_x86_feature_detected!("avx512f") {
                copies.push(("AVX-512", copy_avx512, 128));
            }
            let source: Vec<u8> = (0..1400_u32).map(|i| (i * 7 + i / 256) as u8).collect();
            for (name, copy, least) in copies {
                for len in (least..600).chain([1000, 1023, 1024, 1025]) {
                    for (from, to) in [(0, 0), (1, 0), (0, 3), (5, 8), (7, 33), (16, 63)] {
                        let mut expected = vec![0xEE; 1400];
                        expected[to..to + len].copy_from_slice(&source[from..from + len]);
                        let mut out = vec![0xEE; 1400];
                        let (dst, src) = (
                            out[to..to + len].as_mut_ptr(),
                            source[from..from + len].as_ptr(),
                        );
                        // SAFETY: both ranges have `len` bytes; each byte is a leaf; the registers are available.
                        unsafe { copy(dst, src, len) };
                        assert!(out == expected, "{name}: {len} bytes from {from} to {to}");
                    }
                }
            }
        }

        #[test]
        fn fill_repeats_the_pattern_up_to_the_end() {
            let pattern: [u8; PATTERN] = std::array::from_fn(|i| i as u8 + 1);
            for len in (0..300).chain([1024, 4095]) {
                for to in [0, 1, 40] {
                    let mut out = vec![0xEE; 4200];
                    // SAFETY: `out` has `len` bytes from `to` on; each byte is a leaf.
                    unsafe { fill(out[to..to + len].as_mut_ptr(), &pattern, len) };
                    let right = |(i, byte): (usize, &u8)| *byte == pattern[i % PATTERN];
                    assert!(
                        out[to..to + len].iter().enumerate().all(right),
                        "{len} bytes at {to}"
                    );
                    assert!(
                        out[..to]
                            .iter()
                            .chain(&out[to + len..])
                            .all(|byte| *byte == 0xEE)
                    );
                }
            }
        }
    }
}
