use shm_core::ShmLayout;
use shm_core::sync::Mutex;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
#[shm(room = 1024)]
struct Status {
    beat: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    alone: Status,
    lock: Mutex<Status>,
}

// No error is reported here.
#[derive(ShmLayout)]
#[repr(C)]
struct Outer {
    shared: Shared,
}

fn main() {}
