//! `pop` of an enum, whose bytes may not be a variant.

use shm_core::{Shm, ShmLayout, ShmVec};

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off,
    On,
}

fn last(shm: &Shm<ShmVec<Mode, 4>>) -> Option<Mode> {
    shm.pop()
}

fn main() {}
