//! Only the instances of a generic struct show it.

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Status {
    beat: u64,
    #[shm(since = 1)]
    load: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Wrapper<T> {
    value: T,
}

fn main() {
    let _ = Mutex::<Status>::create("/status");
    let _ = Wrapper::<Status>::attach("/status");
    let _ = <[Status; 4]>::attach("/status");
}
