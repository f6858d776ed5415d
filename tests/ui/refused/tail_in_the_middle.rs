//! A struct that ends in a slice, as a field that is not the last one.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Image {
    width: u64,
    pixels: [u64],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Frame {
    image: Image,
    number: u64,
}

fn main() {}
