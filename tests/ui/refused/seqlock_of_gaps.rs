//! Values are moved as a whole, which gaps rule out.

use shm_core::sync::{Broadcast, SeqLock};
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
struct Board {
    latest: SeqLock<Job>,
    news: Broadcast<[Job; 2], 4>,
}

fn main() {}
