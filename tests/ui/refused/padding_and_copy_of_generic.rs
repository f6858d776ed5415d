//! A struct with gaps is never copied as a whole, whatever its arguments.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Sample<T> {
    channel: u32,
    value: T,
}

fn main() {}
