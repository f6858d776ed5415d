//! A broadcast without room for a message.

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    ticks: Broadcast<u64, 0>,
}

fn main() {}
