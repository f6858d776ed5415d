//! A struct of the user's with a bad argument, behind a name. What has the derive is what the compiler appends.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<T> {
    first: T,
    second: T,
}

type Names = Pair<String>;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    names: Names,
}

fn main() {}
