//! A read-only handle cannot wake anyone.

use shm_core::ShmLayout;
use shm_core::sync::Semaphore;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    free: Semaphore,
}

fn main() {
    let shm = Shared::attach_read_only("/shared").unwrap();
    let _ = shm.free.post();
}
