//! Copies on aarch64.
//!
//! The loop moves registers of 16 bytes in pairs (`ldp` and `stp`). Under the Arm architecture's requirements for single-copy
//! atomicity, for every Armv8 processor and without LSE2, a load or store of such a register at a multiple of 8 bytes counts
//! as two accesses of 8 bytes, each atomic. A leaf has at most 8 bytes and its natural alignment, so it is within one of them.
//! At other addresses only single bytes are atomic. So the loop begins where the *shared* side is a multiple of 8, and the bytes
//! before and after it are moved in steps of 1, 2, 4 and 8 bytes, each aligned to its size there. Such a step is atomic, and
//! begins and ends between two leaves.

use std::arch::asm;

/// No value is moved without a call: the plan of a value is as good.
pub(crate) const LARGEST_VALUE: Option<usize> = None;

/// Reads `len` bytes from shared into private memory, with one relaxed access per leaf.
///
/// # Safety
///
/// - `src` is shared memory that is only accessed atomically, `dst` is private; they are valid for reads and for writes of
///   `len` bytes.
/// - `src` begins at a leaf and is aligned for every leaf. `len` is a multiple of the largest leaf's size.
pub(crate) unsafe fn read(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: by the caller.
    unsafe { copy(dst, src, len, src.addr()) }
}

/// Writes `len` bytes from private to shared memory, with one relaxed access per leaf.
///
/// # Safety
///
/// As [`read`], but `dst` is the shared memory, and `src` is private and initialised.
pub(crate) unsafe fn write(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: by the caller.
    unsafe { copy(dst, src, len, dst.addr()) }
}

/// Writes `len` bytes of repetitions of `pattern` to shared memory, with one relaxed access per leaf.
///
/// # Safety
///
/// `dst` is shared memory, valid for writes of `len` bytes and only accessed atomically. It begins at a leaf and is aligned
/// for every leaf. The pattern consists of repetitions of a value whose size is a power of two, of which `len` is a multiple.
pub(crate) unsafe fn fill(dst: *mut u8, pattern: [u64; 2], len: usize) {
    let source = [pattern; 16];
    for at in (0..len).step_by(size_of_val(&source)) {
        let some = size_of_val(&source).min(len - at);
        // SAFETY: by the caller; these are some of the bytes, and `source` has as many.
        unsafe { write(dst.wrapping_add(at), source.as_ptr().cast(), some) };
    }
}

/// Never called: no value is small enough.
///
/// # Safety
///
/// None is needed.
pub(crate) unsafe fn read_value<T>(_: *mut T, _: *const T) {
    unreachable!("guarded by `LARGEST_VALUE`")
}

/// As [`read_value`].
///
/// # Safety
///
/// None is needed.
pub(crate) unsafe fn write_value<T>(_: *mut T, _: *const T) {
    unreachable!("guarded by `LARGEST_VALUE`")
}

/// Copies `len` bytes, each once. `shared` is the address of the shared side.
///
/// # Safety
///
/// As [`read`] or [`write`].
unsafe fn copy(dst: *mut u8, src: *const u8, len: usize, shared: usize) {
    let mut done = 0;
    while done < len {
        let (dst, src) = (dst.wrapping_add(done), src.wrapping_add(done));
        let left = len - done;
        // The largest power of two, up to 8, to which the shared side is aligned here.
        let aligned = 1 << ((shared + done) | 8).trailing_zeros();
        if aligned == 8 && left >= 16 {
            let whole = left & !15;
            // SAFETY: by the caller; the shared side is aligned to 8 bytes.
            unsafe { copy_pairs(dst, src, whole) };
            done += whole;
            continue;
        }
        let step = aligned.min(1 << left.ilog2());
        // SAFETY: by the caller; both sides have this many bytes left.
        unsafe { copy_step(dst, src, step) };
        done += step;
    }
}

/// Copies 1, 2, 4 or 8 bytes with one load and one store.
///
/// # Safety
///
/// As [`copy`]; the shared side is aligned to as many bytes.
#[inline(always)]
unsafe fn copy_step(dst: *mut u8, src: *const u8, step: usize) {
    macro_rules! moved {
        ($load:literal, $store:literal) => {
            // SAFETY: by the caller; these bytes are moved and nothing else.
            unsafe {
                asm!(
                    $load,
                    $store,
                    src = in(reg) src,
                    dst = in(reg) dst,
                    word = out(reg) _,
                    options(nostack, preserves_flags),
                )
            }
        };
    }
    match step {
        1 => moved!("ldrb {word:w}, [{src}]", "strb {word:w}, [{dst}]"),
        2 => moved!("ldrh {word:w}, [{src}]", "strh {word:w}, [{dst}]"),
        4 => moved!("ldr {word:w}, [{src}]", "str {word:w}, [{dst}]"),
        _ => moved!("ldr {word:x}, [{src}]", "str {word:x}, [{dst}]"),
    }
}

/// Copies `len` bytes, 64 at a time and then 16.
///
/// # Safety
///
/// As [`copy`]; the shared side is aligned to 8 bytes, and `len` is a multiple of 16.
unsafe fn copy_pairs(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the loops move exactly `len` bytes, each once, from `src` to `dst`.
    unsafe {
        asm!(
            "subs {left}, {left}, #64",
            "b.lo 22f",
            "21:",
            "ldp {a:q}, {b:q}, [{src}]",
            "ldp {c:q}, {d:q}, [{src}, #32]",
            "stp {a:q}, {b:q}, [{dst}]",
            "stp {c:q}, {d:q}, [{dst}, #32]",
            "add {src}, {src}, #64",
            "add {dst}, {dst}, #64",
            "subs {left}, {left}, #64",
            "b.hs 21b",
            "22:",
            // `left` is 64 too low.
            "adds {left}, {left}, #64",
            "b.eq 24f",
            "23:",
            "ldr {a:q}, [{src}], #16",
            "str {a:q}, [{dst}], #16",
            "subs {left}, {left}, #16",
            "b.ne 23b",
            "24:",
            src = inout(reg) src => _,
            dst = inout(reg) dst => _,
            left = inout(reg) len => _,
            a = out(vreg) _,
            b = out(vreg) _,
            c = out(vreg) _,
            d = out(vreg) _,
            options(nostack),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_moves_exactly_the_given_bytes() {
        type Copy = unsafe fn(*mut u8, *const u8, usize);
        let copies: [(&str, Copy); 2] = [("read", read), ("write", write)];
        let source: Vec<u8> = (0..1400_u32).map(|i| (i * 7 + i / 256) as u8).collect();
        for (name, copy) in copies {
            for len in (0..300).chain([1000, 1023, 1024, 1025]) {
                for (from, to) in [
                    (0, 0),
                    (1, 0),
                    (0, 3),
                    (5, 8),
                    (7, 33),
                    (16, 63),
                    (2, 6),
                    (4, 4),
                ] {
                    let mut expected = vec![0xEE; 1400];
                    expected[to..to + len].copy_from_slice(&source[from..from + len]);
                    let mut out = vec![0xEE; 1400];
                    let (dst, src) = (
                        out[to..to + len].as_mut_ptr(),
                        source[from..from + len].as_ptr(),
                    );
                    // SAFETY: both ranges have `len` bytes; each byte is a leaf.
                    unsafe { copy(dst, src, len) };
                    assert!(out == expected, "{name}: {len} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn fill_repeats_the_pattern_up_to_the_end() {
        for size in [1, 2, 4, 8, 16] {
            let bytes: [u8; 16] = std::array::from_fn(|i| (i % size) as u8 + 1);
            let half = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]));
            let pattern = [half(0), half(8)];
            for len in (0..600).filter(|len| len % size == 0) {
                let mut out = vec![0xEE_u8; 700];
                // SAFETY: `out` has `len` bytes from there on; each byte is a leaf.
                unsafe { fill(out[16..16 + len].as_mut_ptr(), pattern, len) };
                let right = |(i, byte): (usize, &u8)| *byte == bytes[i % 16];
                assert!(
                    out[16..16 + len].iter().enumerate().all(right),
                    "{len} of {size}"
                );
                assert!(
                    out[16 + len..].iter().all(|byte| *byte == 0xEE),
                    "{len} of {size}"
                );
            }
        }
    }
}
