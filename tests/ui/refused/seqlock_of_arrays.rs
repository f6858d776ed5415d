//! Arrays of a type parameter: the parameter lacks a bound.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared<T> {
    latest: SeqLock<[[T; 2]; 3]>,
}

fn main() {}
