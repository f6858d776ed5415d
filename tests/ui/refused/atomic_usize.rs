use std::sync::atomic::AtomicUsize;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: AtomicUsize,
}

fn main() {}
