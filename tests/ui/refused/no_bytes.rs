use shm_core::ShmLayout;
use std::marker::PhantomData;

#[derive(ShmLayout)]
#[repr(C)]
struct Marker {
    kind: PhantomData<u64>,
    none: [u64; 0],
}

fn main() {}
