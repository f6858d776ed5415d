//! A read-only handle cannot write a sequence lock.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    total: SeqLock<u64>,
}

fn main() {
    let shm = Shared::attach_read_only("/shared").unwrap();
    let _ = shm.total.store(1);
}
