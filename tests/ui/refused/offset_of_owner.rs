//! An offset to a type that cannot be in a segment.

use shm_core::{ShmLayout, ShmOffset};

#[derive(ShmLayout)]
#[repr(C)]
struct Person {
    age: u64,
    name: ShmOffset<String>,
}

fn main() {}
