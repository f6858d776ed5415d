//! Older segments have zeros where a new field is.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    On = 1,
    Off = 2,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Fan {
    modes: [Mode; 8],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    first: [Mode; 8],
    #[shm(since = 1)]
    mode: Mode,
    #[shm(since = 1)]
    _pad: [u8; 7],
    #[shm(since = 2)]
    fans: [Fan; 2],
}

fn main() {}
