//! A lifetime of which no error at a field speaks.

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
