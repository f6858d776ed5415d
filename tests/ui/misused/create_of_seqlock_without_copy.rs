//! A segment of a value that cannot be copied.

use shm_core::sync::SeqLock;
use shm_core::{ShmLayout, ShmVec};

fn main() {
    let list = SeqLock::<ShmVec<u64, 4>>::create("/list");
}
