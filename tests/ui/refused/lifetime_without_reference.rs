//! A lifetime that no error at a field accounts for.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Inner<'a> {
    text: [&'a u8; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Outer<'a, T: 'a> {
    inner: Inner<'a>,
    value: T,
}

fn main() {}
