//! Older programs would share a zero-sized segment.

use shm_core::ShmLayout;
use std::marker::PhantomData;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    marker: PhantomData<u64>,
    #[shm(since = 1)]
    beat: u64,
    #[shm(since = 2)]
    load: f64,
}

fn main() {}
