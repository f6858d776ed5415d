//! An array behind a name: only the compiler sees its elements.

use shm_core::ShmLayout;

type Names = [String; 4];

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    names: Names,
}

fn main() {}
