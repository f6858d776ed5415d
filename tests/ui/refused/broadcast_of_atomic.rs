//! An atomic is not `Copy`, also in an array of broadcasts.

use std::sync::atomic::AtomicU64;

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    counters: [Broadcast<AtomicU64, 4>; 2],
}

fn main() {}
