use std::mem::MaybeUninit;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: MaybeUninit<[u8; 16]>,
}

fn main() {}
