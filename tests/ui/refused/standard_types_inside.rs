use std::marker::PhantomPinned;
use std::net::{SocketAddrV4, SocketAddrV6};
use std::sync::MutexGuard;

use shm_core::sync::{Mutex, Ring};
use shm_core::{ShmLayout, ShmOffset, ShmVec};

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    ranges: ShmVec<std::ops::Range<u32>, 4>,
    largest: Ring<std::cmp::Reverse<u32>, 4>,
    outcome: Mutex<Result<u32, u32>>,
    peers: ShmVec<SocketAddrV4, 4>,
    more_peers: [ShmVec<SocketAddrV6, 4>; 2],
    guard: ShmVec<MutexGuard<'static, u32>, 4>,
    anything: ShmOffset<()>,
    nothing: ShmVec<(), 4>,
    pinned: ShmVec<PhantomPinned, 4>,
}

fn main() {}
