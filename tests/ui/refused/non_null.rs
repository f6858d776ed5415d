use std::ptr::NonNull;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: NonNull<u8>,
}

fn main() {}
