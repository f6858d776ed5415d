//! Each unusable field is reported: in a vector, in a generic struct and alone.

use shm_core::sync::{Barrier, Ring};
use shm_core::{ShmLayout, ShmVec};

#[derive(ShmLayout)]
#[repr(C)]
struct Channel<T, const N: usize>(Ring<T, N>);

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    queues: ShmVec<Ring<u64, 0>, 4>,
    channel: Channel<u64, 0>,
    start: Barrier<0>,
    end: u32,
}

fn main() {}
