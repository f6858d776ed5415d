use std::collections::VecDeque;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: VecDeque<u64>,
}

fn main() {}
