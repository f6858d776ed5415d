//! The value of a lock must be shareable.

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    names: Mutex<String>,
}

fn main() {}
