//! A struct with gaps is never copied as a whole.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Sample {
    channel: u32,
    value: f64,
}

fn main() {}
