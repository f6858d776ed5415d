//! Structs with `#[shm(padding)]`, and the types that can contain them.

#![deny(warnings)]

use shm_core::sync::{Mutex, Ring, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmVec};

const WORKERS: usize = 3;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Worker<T> {
    busy: bool,
    value: T,
    mode: u8,
}

#[derive(ShmLayout)]
#[repr(C, align(128))]
#[shm(padding, version = 2)]
pub struct Board {
    running: u32,
    hits: [u32; WORKERS],
    jobs: Ring<u64, 4>,
    flag: u8,
    latest: SeqLock<u64>,
    lock: Mutex<Worker<u64>>,
    workers: [Worker<u16>; WORKERS],
    list: ShmVec<Worker<u32>, 2>,
    first: ShmOffset<Worker<u32>>,
}

/// Without a gap the attribute only rules out `Copy`.
#[derive(ShmLayout)]
#[repr(transparent)]
#[shm(padding)]
pub struct Only(Board);

/// The gaps of a field are not those of the struct.
#[derive(ShmLayout)]
#[repr(C)]
pub struct Outer {
    only: Only,
    boards: Mutex<[Board; 2]>,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
pub struct Tail {
    head: u8,
    tail: [Worker<u64>],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
pub struct Tuple(u8, u64, Worker<u8>);

fn main() {
    let shm = Outer::create_anonymous().unwrap();
    shm.only.0.workers[1].value.set(3);
    shm.boards.lock().unwrap()[1].flag.set(4);
    let tail = Tail::create_anonymous_with_len(2).unwrap();
    tail.tail[1].busy.set(true);
    Tuple::create_anonymous().unwrap().2.mode.set(1);
    Worker::<u8>::create_anonymous().unwrap().value.set(1);
}
