//! Structs with the names of types of the library, but with const arguments instead of types.

#![deny(warnings)]

use shm_core::ShmLayout;

const LEN: usize = 4;
const ROWS: usize = 2;

#[derive(ShmLayout)]
#[repr(C)]
struct Broadcast<const N: usize> {
    data: [u64; N],
}

#[derive(ShmLayout)]
#[repr(C)]
struct SeqLock<const N: usize, const M: usize> {
    data: [[u64; N]; M],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Ring<const N: usize> {
    data: [u64; N],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Named {
    one: Broadcast<LEN>,
    two: [SeqLock<LEN, ROWS>; 2],
    three: Ring<LEN>,
    plain: Broadcast<4>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Parameters<const N: usize, const M: usize> {
    one: Broadcast<N>,
    two: [SeqLock<N, M>; 2],
    three: Ring<M>,
}

fn main() {
    assert_eq!(Named::SIZE, 8 * (4 + 16 + 4 + 4));
    assert_eq!(Parameters::<3, 2>::SIZE, 8 * (3 + 12 + 2));
}
