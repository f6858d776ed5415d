//! A generic struct is checked where its arguments are known.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Guarded<T> {
    value: T,
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {}
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    guarded: Guarded<u64>,
}

fn main() {}
