//! A text without capacity.

use shm_core::{ShmLayout, ShmStr};

#[derive(ShmLayout)]
#[repr(C)]
struct Person {
    age: u32,
    name: ShmStr<0>,
}

fn main() {}
