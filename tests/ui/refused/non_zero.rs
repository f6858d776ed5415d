use std::num::NonZeroU64;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Limits {
    max: NonZeroU64,
}

fn main() {}
