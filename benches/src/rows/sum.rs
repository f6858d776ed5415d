//! One pass over many numbers.

use std::hint::black_box;

use shm_core::{Shm, ShmLayout};

use crate::harness::{Bench, Result, Row, calls};

pub(super) const ROW: Row = Row::new(
    "sum",
    "the sum over `[u64; N]`, beside a loop over a private `&[u64]`",
    run,
);

fn run(bench: &mut Bench) -> Result<()> {
    sum::<64>(bench)?;
    sum::<1024>(bench)?;
    sum::<262_144>(bench)
}

fn sum<const N: usize>(bench: &mut Bench) -> Result<()> {
    let shm: Shm<[u64; N]> = <[u64; N]>::create_anonymous()?;
    shm.fill(3);
    let private = vec![3_u64; N];
    let mut copy = vec![0_u64; N];
    let limit = || {
        black_box(black_box(&private[..]).iter().sum::<u64>());
    };
    let values = || {
        black_box(black_box(&*shm).values().sum::<u64>());
    };
    let one_by_one = || {
        black_box(black_box(&*shm).iter().map(|cell| cell.get()).sum::<u64>());
    };
    let indexed = || {
        let cells = black_box(&*shm);
        black_box((0..N).map(|index| cells[index].get()).sum::<u64>());
    };
    let copied = || {
        black_box(&*shm).read_into(&mut copy);
        black_box(copy.iter().sum::<u64>());
    };
    let collected = || {
        black_box(black_box(&*shm).to_vec().iter().sum::<u64>());
    };
    bench
        .case(format!("{N} numbers"))
        .limit("&[u64]", calls(limit))
        .ours("values", calls(values))
        .target(1.2)
        .ours("iter and get", calls(one_by_one))
        .ours("index and get", calls(indexed))
        .ours("read_into, then sum", calls(copied))
        .ours("to_vec, then sum", calls(collected))
        .run()
}
