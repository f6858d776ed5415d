//! Level 0 is what the first version has.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    #[shm(since = 1)]
    beat: u64,
    #[shm(since = 1)]
    fan: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Only(#[shm(since = 3)] u64);

fn main() {}
