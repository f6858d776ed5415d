//! A barrier without participants. Its padding is reported once the barrier has a size.

use shm_core::ShmLayout;
use shm_core::sync::Barrier;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    rounds: u64,
    start: Barrier<0>,
}

fn main() {}
