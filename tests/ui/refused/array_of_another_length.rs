//! The compiler's own two errors, each once.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    bytes: [u8; 4u32],
}

fn main() {}
