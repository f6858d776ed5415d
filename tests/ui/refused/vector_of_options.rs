use shm_core::{ShmLayout, ShmVec};

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: [ShmVec<Option<u32>, 4>; 2],
    end: u64,
}

fn main() {}
