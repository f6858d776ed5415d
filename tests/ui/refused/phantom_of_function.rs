use std::marker::PhantomData;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Handle<T> {
    index: u64,
    owner: PhantomData<fn() -> T>,
}

fn main() {}
