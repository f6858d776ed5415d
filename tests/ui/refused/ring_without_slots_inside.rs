//! The ring is inside a generic struct, whose instance is reported where it is used.

use shm_core::ShmLayout;
use shm_core::sync::Ring;

#[derive(ShmLayout)]
#[repr(C)]
struct Channel<const N: usize> {
    orders: Ring<u64, N>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    channels: [Channel<0>; 2],
}

fn main() {}
