//! A write to an atomic through a read-only handle: attach with `attach`.

use std::sync::atomic::{AtomicU64, Ordering};

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    hits: AtomicU64,
}

fn main() {
    let shm = Counter::attach_read_only("/counter").unwrap();
    shm.hits.store(1, Ordering::Relaxed);
}
