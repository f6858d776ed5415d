//! A field that fills the padding of one instance of a generic struct would cause padding in another.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Block<const N: usize> {
    bytes: [u8; N],
    sum: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    whole: Block<4>,
    odd: Block<5>,
}

fn main() {}
