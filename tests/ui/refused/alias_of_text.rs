use std::path::Path;

use shm_core::ShmLayout;

type Name = str;

#[derive(ShmLayout)]
#[repr(C)]
struct Person {
    age: u64,
    name: Name,
}

#[derive(ShmLayout)]
#[repr(C)]
struct File {
    size: u64,
    path: Path,
}

fn main() {}
