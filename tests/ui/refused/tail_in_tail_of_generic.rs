//! A generic struct that ends in a slice, as the last field of others: with a fixed and with a generic element.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Samples<T> {
    rate: u64,
    values: [T],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Recording {
    started: u64,
    samples: Samples<f64>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct RecordingOf<T> {
    started: u64,
    samples: Samples<T>,
}

fn main() {}
