//! Two mistakes in one type: the lock, and what it protects.

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
