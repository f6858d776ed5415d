use std::sync::atomic::AtomicPtr;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: AtomicPtr<u8>,
}

fn main() {}
