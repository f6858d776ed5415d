//! Copies in and out.

use std::hint::black_box;

use shm_core::{ShmLayout, ShmSlice};

use crate::harness::{Bench, Result, Row, calls};

pub(super) const ROW: Row = Row::new(
    "bulk",
    "`read_into`, `write_from` and `fill`, beside `memcpy`, `memset` and a loop of `get`",
    run,
);

const LARGEST: usize = 1 << 20;
const SIZES: [usize; 9] = [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, LARGEST];

/// The target of a size, if it has one.
fn target(size: usize, targets: &[(usize, f64)]) -> Option<f64> {
    let found = targets.iter().find(|(of, _)| *of == size);
    found.map(|(_, times)| *times)
}

fn run(bench: &mut Bench) -> Result<()> {
    let shm = <[u8; LARGEST]>::create_anonymous()?;
    let words = <[u64; LARGEST / 8]>::create_anonymous()?;
    let (mut out, mut copy) = (vec![0_u8; LARGEST], vec![0_u8; LARGEST]);
    let (mut out_words, mut looped) = (vec![0_u64; LARGEST / 8], vec![0_u64; LARGEST / 8]);
    let source = vec![1_u8; LARGEST];
    shm.fill(1);
    words.fill(1);
    for size in SIZES {
        let cells: &ShmSlice<u8> = &shm[..size];
        let source = &source[..size];
        bench
            .case(format!("out, {size} bytes"))
            .limit(
                "memcpy",
                calls(|| black_box(&mut copy[..size]).copy_from_slice(black_box(source))),
            )
            .ours(
                "read_into",
                calls(|| black_box(cells).read_into(black_box(&mut out[..size]))),
            )
            .target_if(target(size, &[(64, 1.2), (256, 1.1), (1024, 1.0)]))
            .run()?;
        bench
            .case(format!("in, {size} bytes"))
            .limit(
                "memcpy",
                calls(|| black_box(&mut copy[..size]).copy_from_slice(black_box(source))),
            )
            .ours(
                "write_from",
                calls(|| black_box(cells).write_from(black_box(source))),
            )
            .target_if(target(size, &[(64, 1.1), (256, 1.1)]))
            .run()?;
        bench
            .case(format!("fill, {size} bytes"))
            .limit(
                "memset",
                calls(|| black_box(&mut copy[..size]).fill(black_box(7))),
            )
            .ours("fill", calls(|| black_box(cells).fill(black_box(7))))
            .target_if(target(size, &[(64, 1.5)]))
            .run()?;
        let cells: &ShmSlice<u64> = &words[..size / 8];
        let one_by_one = || {
            for (out, cell) in black_box(&mut looped).iter_mut().zip(black_box(cells)) {
                *out = cell.get();
            }
        };
        bench
            .case(format!("u64 out, {size} bytes"))
            .ours(
                "read_into",
                calls(|| black_box(cells).read_into(black_box(&mut out_words[..size / 8]))),
            )
            .ours("a loop of get", calls(one_by_one))
            .run()?;
    }
    Ok(())
}
