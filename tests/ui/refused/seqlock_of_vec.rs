//! A value that cannot be `Copy`.

use shm_core::sync::SeqLock;
use shm_core::{ShmLayout, ShmVec};

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    names: SeqLock<ShmVec<u64, 4>>,
    end: u64,
}

fn main() {}
