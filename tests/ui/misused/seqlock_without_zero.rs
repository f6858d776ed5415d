//! The first value of a sequence lock is all zeros, which is not a value of this type.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    On = 1,
}

fn main() {
    let _ = SeqLock::<Mode>::create("/mode");
}
