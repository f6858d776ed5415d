//! Through a read-only handle a sequence lock is read, and not written.

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
