use std::sync::Mutex;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Mutex<u64>,
}

fn main() {}
