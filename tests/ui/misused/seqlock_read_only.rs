//! A read-only handle cannot write a sequence lock in place.

use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, SeqLock};

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    limit: SeqLock<u64>,
    ticks: Broadcast<u64, 4>,
}

fn main() {
    let shared = Shared::attach_read_only("/shared").unwrap();
    let _ = shared.limit.read();
    let _ = shared.limit.store(1);
    let _ = shared.ticks.receiver();
    let _ = shared.ticks.sender();
}
