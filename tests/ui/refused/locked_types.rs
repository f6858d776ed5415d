//! The value of a lock is refused for the same reasons as a field.

use std::time::Duration;

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

struct Plain {
    value: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    size: Mutex<usize>,
    pair: Mutex<(u32, u32)>,
    timeout: Mutex<Duration>,
    callback: Mutex<fn()>,
    limit: Mutex<Option<u32>>,
    plain: Mutex<Plain>,
    nothing: Mutex<()>,
    fine: Mutex<[u32; 4]>,
}

fn main() {}
