//! An array behind a name. What its elements are is seen only by the compiler.

use shm_core::ShmLayout;

type Names = [String; 4];

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    names: Names,
}

fn main() {}
