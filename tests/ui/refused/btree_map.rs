use std::collections::BTreeMap;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: BTreeMap<u32, u64>,
}

fn main() {}
