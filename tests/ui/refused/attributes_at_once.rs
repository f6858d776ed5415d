//! One error in a list does not hide the next.

use shm_core::ShmLayout;

const VERSION: u32 = 3;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 0, pin = "x", crate = 5)]
struct Counter {
    #[shm(rename = "", foo)]
    hits: u64,
    #[shm(rename = "a\0b\n", , version = 3)]
    misses: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = VERSION, pin = 0x0123456789abcdef)]
struct Versioned {
    hits: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 3, version = 4, pin =)]
struct Twice {
    hits: u64,
}

fn main() {}
