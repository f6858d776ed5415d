//! A `PhantomData` of a reference.

use std::marker::PhantomData;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Slice<'a, T: 'a> {
    first: u64,
    len: u64,
    owner: PhantomData<&'a T>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Outer {
    slice: Slice<'static, u64>,
}

fn main() {}
