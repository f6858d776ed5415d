//! An offset to what can lie in no segment.

use shm_core::{ShmLayout, ShmOffset};

#[derive(ShmLayout)]
#[repr(C)]
struct Person {
    age: u64,
    name: ShmOffset<String>,
}

fn main() {}
