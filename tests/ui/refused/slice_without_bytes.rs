//! A slice of zero-sized elements.

use std::marker::PhantomData;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Arrays {
    count: u64,
    items: [[u64; 0]],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Markers(u64, [PhantomData<u8>]);

#[derive(ShmLayout)]
#[repr(C)]
struct Empty {
    nothing: [u8; 0],
}

#[derive(ShmLayout)]
#[repr(C)]
struct OfEmpty {
    count: u64,
    items: [Empty],
}

fn main() {}
