use std::ffi::OsString;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: OsString,
}

fn main() {}
