//! A vector of a type that cannot be in a segment.

use shm_core::{ShmLayout, ShmVec};

#[derive(ShmLayout)]
#[repr(C)]
struct Group {
    names: ShmVec<String, 4>,
}

fn main() {}
