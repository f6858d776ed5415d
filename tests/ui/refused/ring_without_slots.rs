//! A ring without room for a message.

use shm_core::ShmLayout;
use shm_core::sync::Ring;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    orders: Ring<u64, 0>,
}

fn main() {}
