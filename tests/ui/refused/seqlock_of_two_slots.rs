//! Two slots are too few: a reader would be overtaken by every commit.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    total: SeqLock<u64, 2>,
}

fn main() {}
