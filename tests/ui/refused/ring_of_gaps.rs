//! Messages are moved as a whole, which gaps rule out.

use shm_core::sync::{Mutex, Ring};
use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Job {
    urgent: bool,
    id: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Jobs {
    jobs: [Job; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Board {
    one: Mutex<Job>,
    all: Ring<Jobs, 4>,
}

fn main() {}
