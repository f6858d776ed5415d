//! A ring needs a slot.

use shm_core::ShmLayout;
use shm_core::sync::Ring;

fn main() {
    let _ = Ring::<u64, 0>::create_anonymous();
}
