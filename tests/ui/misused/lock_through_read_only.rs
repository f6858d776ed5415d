//! A read-only handle cannot lock.

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    total: Mutex<u64>,
}

fn main() {
    let shm = Shared::attach_read_only("/shared").unwrap();
    let _ = shm.total.lock();
}
