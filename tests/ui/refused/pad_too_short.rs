//! One padding field that is too short, and one that is not needed.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Sample {
    channel: u8,
    _pad: [u8; 3],
    value: f64,
    _pad1: [u8; 2],
    count: u64,
}

fn main() {}
