//! An argument that cannot be shared is fine if the alias stands for a type that can.

#![forbid(warnings)]

use std::num::{NonZero, NonZeroU32};

use shm_core::{ShmLayout, ShmVec};

pub trait Entity {
    type Key;
}

impl Entity for String {
    type Key = u64;
}

impl Entity for *const u8 {
    type Key = [u32; 2];
}

pub type KeyOf<E> = <E as Entity>::Key;

/// Has the name of a type of the library.
pub type ShmOffset<E> = <E as Entity>::Key;

#[derive(ShmLayout)]
#[repr(C)]
pub struct Pair<A, B> {
    pub first: A,
    pub second: B,
}

#[derive(ShmLayout)]
#[repr(C)]
pub struct Shared<T: Copy> {
    pub by_name: KeyOf<String>,
    pub by_address: KeyOf<*const u8>,
    pub offset: ShmOffset<String>,
    pub pair: Pair<Pair<KeyOf<String>, u64>, T>,
    pub options: ShmVec<Pair<Option<NonZeroU32>, Option<NonZero<u32>>>, 4>,
    pub parameters: ShmVec<T, 4>,
}

/// The name of its last field's type does not tell the size.
#[derive(ShmLayout)]
#[repr(C)]
pub struct Outer {
    pub shared: Shared<u64>,
    pub key: KeyOf<String>,
    pub last: Key,
}

pub type Key = KeyOf<*const u8>;

const _: () = assert!(Outer::SIZE == size_of::<Outer>());

fn main() {}
