use std::num::NonZeroUsize;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Option<NonZeroUsize>,
    end: u64,
}

fn main() {}
