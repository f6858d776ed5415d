use super::*;

type Copy = unsafe fn(*mut u8, *const u8, usize);

#[test]
fn every_copy_moves_exactly_the_given_bytes() {
    let mut copies: Vec<(&str, Copy, usize)> = vec![
        ("short", copy_short, 0),
        ("SSE read", read_sse, 64),
        ("long read", read_long, 65),
        ("long write", write_long, 64),
        ("read", read, 0),
        ("write", write, 0),
    ];
    if is_x86_feature_detected!("avx") {
        copies.push(("AVX read", read_avx, 128));
        copies.push(("AVX write", write_avx, 64));
        copies.push(("AVX", copy_avx, 64));
    }
    if width() == Width::Avx512 {
        copies.push(("AVX-512 read", avx512::read, 65));
        copies.push(("AVX-512 write", avx512::write, 64));
        copies.push(("AVX-512 read loop", loops::read_avx512, 128));
        copies.push(("AVX-512 write loop", loops::write_avx512, 64));
        copies.push(("AVX-512", loops::copy_avx512, 128));
    }
    let source: Vec<u8> = (0..6400_u32).map(|i| (i * 7 + i / 256) as u8).collect();
    for (name, copy, least) in copies {
        for len in (least..600).chain([1000, 1023, 1024, 1025, 4095, 4096, 4097, 5000]) {
            for (from, to) in [(0, 0), (1, 0), (0, 3), (5, 8), (7, 33), (16, 63)] {
                let mut expected = vec![0xEE; 6400];
                expected[to..to + len].copy_from_slice(&source[from..from + len]);
                let mut out = vec![0xEE; 6400];
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
    type Fill = unsafe fn(*mut u8, [u64; 2], usize);
    let mut fills: Vec<(&str, Fill, usize)> = vec![("SSE", fill_sse, 0), ("picked", fill, 0)];
    if is_x86_feature_detected!("avx") {
        fills.push(("AVX", fill_avx, 128));
    }
    // Patterns of values of 1, 2, 4, 8 and 16 bytes.
    for size in [1, 2, 4, 8, 16] {
        let bytes: [u8; 16] = std::array::from_fn(|i| (i % size) as u8 + 1);
        let half = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]));
        let pattern = [half(0), half(8)];
        for &(name, fill, least) in &fills {
            for len in (least..400)
                .chain([1024, 4095])
                .filter(|len| len % size == 0)
            {
                for to in [0, 1, 40] {
                    let mut out = vec![0xEE; 4200];
                    // SAFETY: `out` has `len` bytes from `to` on; each byte is a leaf.
                    unsafe { fill(out[to..to + len].as_mut_ptr(), pattern, len) };
                    let right = |(i, byte): (usize, &u8)| *byte == bytes[i % 16];
                    assert!(
                        out[to..to + len].iter().enumerate().all(right),
                        "{name}: {len} bytes at {to}, of {size} each"
                    );
                    let rest = [&out[..to], &out[to + len..]].concat();
                    assert!(
                        rest.iter().all(|byte| *byte == 0xEE),
                        "{name}: {len} at {to}"
                    );
                }
            }
        }
    }
}

/// Copies a value of `N` bytes both ways, between other bytes that must not change.
fn move_value<const N: usize>() {
    let source: [u8; N] = std::array::from_fn(|i| (i * 5 + 1) as u8);
    for copy in [read_value::<[u8; N]>, write_value::<[u8; N]>] {
        let mut out = [[0xEE; N]; 3];
        // SAFETY: both have `N` bytes; each byte is a leaf.
        unsafe { copy(&raw mut out[1], &raw const source) };
        assert_eq!(out, [[0xEE; N], source, [0xEE; N]]);
    }
}

#[test]
fn values_of_every_size_are_moved_whole() {
    macro_rules! sizes {
        ($($hundreds:literal)*; $tens:tt) => { $(sizes!(@ $hundreds $tens);)* };
        (@ $from:literal [$($more:literal)*]) => { $(move_value::<{ $from + $more }>();)* };
    }
    sizes!(0 16 32 48 64 80 96 112 128 144 160 176 192 208 224 240;
        [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16]);
}
