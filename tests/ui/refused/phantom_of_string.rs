use std::marker::PhantomData;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: PhantomData<String>,
}

fn main() {}
