use std::sync::OnceLock;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: OnceLock<u64>,
}

fn main() {}
