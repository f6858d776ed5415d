//! The error offers `#[shm(padding)]` for structs that cannot be `Copy`.

use shm_core::sync::Mutex;
use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Job<T> {
    done: bool,
    lock: Mutex<T>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Board {
    running: u32,
    total: Mutex<u64>,
    workers: u8,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Boards {
    job: Job<u32>,
    other: [Job<u32>; 2],
}

fn main() {}
