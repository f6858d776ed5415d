use std::num::NonZeroU32;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: [NonZeroU32; 2],
}

fn main() {}
