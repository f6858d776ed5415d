//! A padding field meant to end at a cache line, with 4 bytes too many.

use shm_core::ShmLayout;
use shm_core::sync::Ring;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    started: u64,
    name: [u8; 48],
    count: u64,
    _pad: [u8; 68],
    jobs: Ring<u64, 16>,
}

fn main() {}
