//! The const argument of a type of the library as a constant, a parameter and an expression.

#![deny(warnings)]

use shm_core::sync::{Barrier, Broadcast, Mutex, Ring, SeqLock};
use shm_core::{ShmLayout, ShmStr, ShmVec};

mod limits {
    pub const LEN: usize = 4;
}
use limits::LEN;

#[derive(ShmLayout)]
#[repr(C)]
struct Named {
    orders: Ring<u64, LEN>,
    ticks: Broadcast<u64, { LEN * 2 }>,
    total: SeqLock<u64, { limits::LEN }>,
    last: Mutex<Ring<[u8; 16], LEN>>,
    values: ShmVec<u64, LEN>,
    inner: ShmVec<Inner, { LEN - 1 }>,
    name: ShmStr<LEN>,
    start: Barrier<LEN>,
    _pad: [u8; 68],
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Inner {
    values: [u64; LEN],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Channel<T, const N: usize> {
    orders: Ring<u64, N>,
    values: Ring<T, N>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Channels {
    channel: Channel<Inner, LEN>,
}

fn main() {
    assert_eq!(
        Named::LAYOUT.fields()[0].layout().fingerprint(),
        Ring::<u64, 4>::FINGERPRINT
    );
    assert_eq!(Channels::SIZE, Channel::<Inner, 4>::SIZE);
}
