//! Older programs see each level as a struct of its own, which must have no padding either.

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

// The whole struct has none.
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Status {
    beat: u64,
    flags: u32,
    #[shm(since = 1)]
    heat: u32,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Between {
    flags: u32,
    #[shm(since = 1)]
    beat: u64,
    #[shm(since = 2)]
    name: [u8; 5],
}

#[derive(ShmLayout)]
#[repr(C, align(16))]
struct Aligned {
    pub lock: Mutex<u64>,
    #[shm(since = 1)]
    pub load: f64,
}

fn main() {}
