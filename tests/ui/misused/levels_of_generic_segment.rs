//! Whether each level is without padding, and zero a value of its fields, depends on the arguments.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    On = 1,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Grown<T> {
    flags: u32,
    #[shm(since = 1)]
    value: T,
}

fn main() {
    let _ = Grown::<u32>::create("/fine");
    let _ = Grown::<u64>::attach("/padded");
    let _ = Grown::<[Mode; 4]>::attach("/mode");
}
