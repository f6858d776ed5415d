//! Two errors in one type: the lock and its value.

use std::sync::Mutex;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Mutex<Vec<u8>>,
    end: u64,
}

fn main() {}
