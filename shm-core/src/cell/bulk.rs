//! Moving many leaves at once, at the speed of memory.
//!
//! A loop of relaxed atomic accesses is never vectorised by the compiler: it runs at 1.6 to 2.7 times the time of
//! `memcpy` for eight-byte leaves, and at 10 to 23 times for bytes. On x86-64 the loop is therefore written in
//! assembly, with moves of 16 or 32 bytes.
//!
//! What the assembly stands for: *one relaxed access per leaf, in any order*. A leaf has at most 8 bytes and its
//! natural alignment, and no move begins or ends inside one, so each leaf is moved by a single instruction and
//! lies in a single cache line. Processors with AVX, and all others that are in use, do not tear such a part of a
//! wider access. That each byte is moved once matters too: a second store of the same leaf could undo what
//! another process wrote in between.
//!
//! Elsewhere, under Miri, loom, and with `--cfg shm_portable_copy` (for the sanitizers, which do not see into
//! assembly), the plain loop in [`copy`](super::copy) is used.

/// Whether [`copy`] is here. Without it each leaf is moved by an atomic access of its own.
pub(crate) const WIDE: bool = cfg!(all(
    target_arch = "x86_64",
    not(any(miri, loom, shm_portable_copy))
));

/// Moves `len` bytes from `src` to `dst`, one relaxed access per leaf.
///
/// # Safety
///
/// - `src` is valid for reads and `dst` for writes of `len` bytes; they do not overlap.
/// - One side is private memory. The other is shared memory, only accessed atomically, which begins at a
///   leaf and is aligned for each of its leaves; `len` bytes are a whole number of leaves.
/// - [`WIDE`] holds.
#[cfg(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy))))]
#[inline]
pub(crate) unsafe fn copy(dst: *mut u8, src: *const u8, len: usize) {
    // Below this the cost of asking for AVX and of `vzeroupper` shows.
    const AVX_FROM: usize = 128;
    if len >= AVX_FROM && std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: AVX is there; the rest is this function's own contract.
        unsafe { x86_64::copy_avx(dst, src, len) }
    } else {
        // SAFETY: this function's own contract.
        unsafe { x86_64::copy_sse(dst, src, len) }
    }
}

/// Never called: [`WIDE`] is false.
///
/// # Safety
///
/// None is needed.
#[cfg(not(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy)))))]
pub(crate) unsafe fn copy(_: *mut u8, _: *const u8, _: usize) {
    unreachable!("guarded by `WIDE`")
}

#[cfg(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy))))]
mod x86_64 {
    use std::arch::asm;

    /// The last bytes, fewer than 16: moves of 8, 4, 2 and 1. Going down by powers of two, none cuts a leaf.
    macro_rules! tail {
        () => {
            "test {len:l}, 8
             jz 32f
             mov {word}, [{src}]
             mov [{dst}], {word}
             add {src}, 8
             add {dst}, 8
             32:
             test {len:l}, 4
             jz 33f
             mov {word:e}, [{src}]
             mov [{dst}], {word:e}
             add {src}, 4
             add {dst}, 4
             33:
             test {len:l}, 2
             jz 34f
             mov {word:x}, [{src}]
             mov [{dst}], {word:x}
             add {src}, 2
             add {dst}, 2
             34:
             test {len:l}, 1
             jz 35f
             mov {word:l}, [{src}]
             mov [{dst}], {word:l}
             35:"
        };
    }

    /// # Safety
    ///
    /// As [`copy`](super::copy).
    pub(super) unsafe fn copy_sse(dst: *mut u8, src: *const u8, len: usize) {
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
                // `left` is 64 too low; its lower six bits still count what is left.
                "and {left}, 48",
                "jz 24f",
                "23:",
                "movups {a}, [{src}]",
                "movups [{dst}], {a}",
                "add {src}, 16",
                "add {dst}, 16",
                "sub {left}, 16",
                "jnz 23b",
                "24:",
                tail!(),
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

    /// # Safety
    ///
    /// As [`copy`](super::copy), and the processor has AVX.
    pub(super) unsafe fn copy_avx(dst: *mut u8, src: *const u8, len: usize) {
        // SAFETY: the loops move exactly `len` bytes, each once, from `src` to `dst`. `vzeroupper` changes the
        // upper halves of all registers, so all are clobbers.
        unsafe {
            asm!(
                "mov {left}, {len}",
                "sub {left}, 128",
                "jb 22f",
                "21:",
                "vmovdqu ymm0, [{src}]",
                "vmovdqu ymm1, [{src} + 32]",
                "vmovdqu ymm2, [{src} + 64]",
                "vmovdqu ymm3, [{src} + 96]",
                "vmovdqu [{dst}], ymm0",
                "vmovdqu [{dst} + 32], ymm1",
                "vmovdqu [{dst} + 64], ymm2",
                "vmovdqu [{dst} + 96], ymm3",
                "add {src}, 128",
                "add {dst}, 128",
                "sub {left}, 128",
                "jae 21b",
                "22:",
                // `left` is 128 too low; its lower seven bits still count what is left.
                "and {left}, 112",
                "jz 24f",
                "23:",
                "vmovdqu xmm0, [{src}]",
                "vmovdqu [{dst}], xmm0",
                "add {src}, 16",
                "add {dst}, 16",
                "sub {left}, 16",
                "jnz 23b",
                "24:",
                "vzeroupper",
                tail!(),
                src = inout(reg) src => _,
                dst = inout(reg) dst => _,
                len = in(reg) len,
                left = out(reg) _,
                word = out(reg) _,
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
        #[test]
        fn moves_exactly_the_bytes_it_is_told_to() {
            let source: Vec<u8> = (0..1200u32).map(|i| (i * 7 + i / 256) as u8).collect();
            for len in (0..300).chain([511, 512, 513, 1000, 1023, 1024]) {
                for (from, to) in [(0, 0), (1, 0), (0, 3), (5, 8)] {
                    let mut expected = vec![0xEE; 1200];
                    expected[to..to + len].copy_from_slice(&source[from..from + len]);
                    let src = source[from..from + len].as_ptr();

                    let mut out = vec![0xEE; 1200];
                    let dst = out[to..to + len].as_mut_ptr();
                    // SAFETY: both ranges have `len` bytes; bytes are their own leaves.
                    unsafe { super::copy_sse(dst, src, len) };
                    assert!(out == expected, "SSE: {len} bytes from {from} to {to}");

                    if std::arch::is_x86_feature_detected!("avx") {
                        let mut out = vec![0xEE; 1200];
                        let dst = out[to..to + len].as_mut_ptr();
                        // SAFETY: as above, and AVX is there.
                        unsafe { super::copy_avx(dst, src, len) };
                        assert!(out == expected, "AVX: {len} bytes from {from} to {to}");
                    }
                }
            }
        }
    }
}
