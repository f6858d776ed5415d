//! A type parameter that may not be `Copy`.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared<T> {
    latest: SeqLock<T>,
}

fn main() {}
