use std::collections::HashMap;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: HashMap<u32, u64>,
}

fn main() {}
