//! Fields that are used only as cells are not reported as unused.
#![deny(warnings)]

use shm_core::{ShmLayout, ShmSlice};

#[derive(ShmLayout)]
#[repr(C)]
struct Stats {
    hits: u64,
    misses: u64,
    samples: [u32; 16],
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(transparent)]
struct Id(u64);

fn sum(samples: &ShmSlice<u32>) -> u32 {
    samples.iter().map(|sample| sample.get()).sum()
}

fn main() {
    let shm = Stats::create_anonymous().unwrap();
    shm.hits.set(1);
    assert_eq!(sum(&shm.samples), 0);
    Id::create_anonymous().unwrap().0.set(3);
}
