//! A `PhantomData` of a struct that ends in a slice.

#![deny(warnings)]

use std::marker::PhantomData;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Tail {
    len: u64,
    tail: [u64],
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Index<T> {
    at: u64,
    of: PhantomData<T>,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Shared {
    of: PhantomData<Tail>,
    first: u64,
    index: Index<PhantomData<Tail>>,
    last: [PhantomData<Tail>; 2],
}

fn main() {
    assert_eq!(Shared::SIZE, 16);
    let shm = Shared::create_anonymous().unwrap();
    shm.index.at.set(3);
    assert_eq!(shm.load().index.at, 3);
    let tail = Tail::create_anonymous_with_len(2).unwrap();
    tail.tail[1].set(tail.len.get());
}
