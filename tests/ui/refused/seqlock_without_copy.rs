//! A struct that could be `Copy`, but is not.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct Config {
    limit: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    config: SeqLock<Config>,
}

fn main() {}
