use std::os::fd::OwnedFd;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: OwnedFd,
    end: u64,
}

fn main() {}
