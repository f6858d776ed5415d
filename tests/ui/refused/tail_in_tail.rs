//! A struct that ends in a slice, as the end of another.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Samples {
    rate: u64,
    values: [f64],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Recording {
    started: u64,
    samples: Samples,
}

fn main() {}
