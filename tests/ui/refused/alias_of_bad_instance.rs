//! A user's struct with a bad argument, behind a name. The compiler appends the structs that have the derive.

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
