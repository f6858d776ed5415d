use std::sync::RwLock;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: RwLock<u64>,
}

fn main() {}
