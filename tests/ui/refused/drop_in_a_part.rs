//! The one that has the `Drop` is told of, not those that it is a part of.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Inner {
    id: u64,
}

impl Drop for Inner {
    fn drop(&mut self) {}
}

#[derive(ShmLayout)]
#[repr(C)]
struct Middle {
    inner: Inner,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Outer {
    middle: [Middle; 2],
}

fn main() {}
