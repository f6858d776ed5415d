//! Two slots are too few: every commit would overtake a reader.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    total: SeqLock<u64, 2>,
}

fn main() {}
