//! A vector of what can lie in no segment.

use shm_core::{ShmLayout, ShmVec};

#[derive(ShmLayout)]
#[repr(C)]
struct Group {
    names: ShmVec<String, 4>,
}

fn main() {}
