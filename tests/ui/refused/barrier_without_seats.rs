//! Nobody could ever meet here. That it also leaves padding is told once the barrier has its size.

use shm_core::ShmLayout;
use shm_core::sync::Barrier;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    rounds: u64,
    start: Barrier<0>,
}

fn main() {}
