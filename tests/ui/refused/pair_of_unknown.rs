//! Two arguments with unknown names.

use shm_core::ShmLayout;

type Name = String;

struct Mark;

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<A, B> {
    first: A,
    second: B,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Pair<Name, Mark>,
    end: u64,
}

fn main() {}
