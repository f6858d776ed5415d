//! A struct that can grow is a whole segment.

use shm_core::sync::{Broadcast, Mutex, Ring, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmVec};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Status {
    beat: u64,
    #[shm(since = 1)]
    load: f64,
}

type Latest = Status;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Wrapper<T> {
    value: T,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    alone: Status,
    many: [Latest; 2],
    list: ShmVec<Status, 4>,
    lock: Mutex<Status>,
    latest: SeqLock<Latest>,
    queue: Ring<Status, 4>,
    news: Broadcast<Status, 4>,
    wrapped: Wrapper<Status>,
    deep: Mutex<[Wrapper<Latest>; 2]>,
    offset: ShmOffset<Status>,
}

fn main() {}
