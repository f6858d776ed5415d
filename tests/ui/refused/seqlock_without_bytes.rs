//! A zero-sized value.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    nothing: SeqLock<[u64; 0]>,
}

fn main() {}
