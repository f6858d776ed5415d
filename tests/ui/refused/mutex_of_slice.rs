//! A lock around a slice. The first error is the compiler's own: a type argument must be sized.

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

#[derive(ShmLayout)]
#[repr(C)]
struct Unrelated {
    id: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    bytes: Mutex<[u8]>,
}

fn main() {}
