use std::sync::Arc;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Arc<[u8]>,
}

fn main() {}
