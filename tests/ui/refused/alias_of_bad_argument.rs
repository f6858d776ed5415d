//! The derive cannot see an argument behind a name, so the error is about the whole type.

use shm_core::ShmLayout;
use shm_core::sync::{Mutex, SeqLock};

type Latest = SeqLock<Mutex<u64>>;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    latest: Latest,
}

fn main() {}
