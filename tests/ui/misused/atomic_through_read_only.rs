use std::sync::atomic::{AtomicU64, Ordering};

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    hits: AtomicU64,
}

fn main() {
    let shm = Counter::attach_read_only("/counter").unwrap();
    shm.hits.fetch_add(1, Ordering::Relaxed);
}
