//! Only this instance of the element has padding.

use shm_core::{ShmLayout, ShmVec};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pair<A, B> {
    first: A,
    second: B,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Table {
    good: ShmVec<Pair<u32, f32>, 3>,
    pairs: ShmVec<Pair<u8, u32>, 3>,
}

fn main() {}
