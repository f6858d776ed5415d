//! Only the type with the `Drop` is reported, not those that contain it.

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
