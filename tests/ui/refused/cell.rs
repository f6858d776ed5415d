use std::cell::Cell;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    hits: Cell<u64>,
}

fn main() {}
