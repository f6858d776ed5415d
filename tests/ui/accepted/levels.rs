//! Structs that have grown: plain ones, with a lock, generic ones, tuple structs, and all other attributes beside `since`.

#![deny(warnings)]
#![no_implicit_prelude]

use ::shm_core::ShmLayout;
use ::shm_core::sync::Mutex;
use ::std::clone::Clone;
use ::std::marker::Copy;
use ::std::{assert, assert_eq};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
#[shm(room = 1024)]
pub struct Status {
    pub beat: u64,
    pub load: f64,
    #[shm(since = 1)]
    pub temperature: u32,
    #[shm(since = 1, rename = "humid")]
    pub humidity: u32,
    #[shm(since = 2)]
    pub fan: [u64; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct WithLock(u64, #[shm(since = 1)] Mutex<[u32; 3]>);

#[derive(ShmLayout)]
#[repr(C)]
struct Generic<T, const N: usize> {
    first: T,
    #[shm(since = 1)]
    second: [T; N],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct WithGaps {
    flag: bool,
    #[shm(since = 1)]
    beat: u64,
    #[shm(since = 2)]
    last: u8,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C, align(256))]
struct Line([u64; 32]);

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Wide {
    first: Line,
    #[shm(since = 1)]
    second: Line,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
#[shm(pin = "3c1a9b3abbac95c1")]
struct Counter {
    hits: u64,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
#[cfg_attr(target_endian = "little", shm(pin = ["3c1a9b3abbac95c1", "0164e337c73c483c"]))]
struct Grown {
    hits: u64,
    #[shm(since = 1)]
    misses: u64,
}

fn main() {
    assert_eq!(Status::LEVEL, 2);
    assert_eq!(Status::LAYOUT.room(), ::std::option::Option::Some(1024));
    assert_eq!(Status::LAYOUT.fields()[3].since(), 1);
    assert_eq!(Status::SIZE, 40);
    assert_eq!(WithLock::LEVEL, 1);
    assert_eq!(Generic::<u64, 2>::LEVEL, 1);
    assert_eq!(WithGaps::LEVEL, 2);
    assert_eq!(Wide::LEVEL, 1);
    assert_eq!(Counter::LEVEL, 0);
    assert_eq!(Grown::FINGERPRINT, Counter::FINGERPRINT);
    assert!(Status::LAYOUT.zero_is_valid());
}
