//! A read-only handle cannot send.

use shm_core::ShmLayout;
use shm_core::sync::Ring;

fn main() {
    let shm = Ring::<u64, 8>::attach_read_only("/ring").unwrap();
    let _ = shm.sender();
}
