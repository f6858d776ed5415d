//! A segment of a struct that lacks the derive.

use shm_core::ShmLayout;

struct Plain {
    value: u64,
}

fn main() {
    let plain = Plain::create("/plain");
}
