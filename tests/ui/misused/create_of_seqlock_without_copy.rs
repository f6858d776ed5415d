//! A segment of a `SeqLock` whose value is not `Copy`.

use shm_core::sync::SeqLock;
use shm_core::{ShmLayout, ShmVec};

fn main() {
    let list = SeqLock::<ShmVec<u64, 4>>::create("/list");
}
