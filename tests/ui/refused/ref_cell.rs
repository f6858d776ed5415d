use std::cell::RefCell;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: RefCell<u32>,
}

fn main() {}
