//! Associated types of a type parameter get the same bound as the parameter.

#![deny(warnings)]

use std::marker::PhantomData;

use shm_core::sync::{Mutex, SeqLock};
use shm_core::{ShmLayout, ShmVec};

trait Unit: 'static {
    type Value;
}

impl Unit for u32 {
    type Value = u64;
}

impl Unit for u64 {
    type Value = u32;
}

#[derive(ShmLayout)]
#[repr(C)]
struct Last<T: Unit> {
    low: T,
    high: T,
    value: T::Value,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Inside<T: Unit> {
    values: [<T as Unit>::Value; 2],
    low: T,
    high: T,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Nested<T>
where
    T: Unit,
    T::Value: Unit,
{
    values: [[<T::Value as Unit>::Value; 2]; 2],
    more: [[T::Value; 1]; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Contained<T: Unit> {
    values: ShmVec<T::Value, 4>,
    marker: PhantomData<[T::Value; 2]>,
    locks: [Mutex<T::Value>; 2],
    _pad: [u64; 7],
    latest: SeqLock<T::Value>,
}

/// The struct has the bounds itself.
#[derive(ShmLayout)]
#[repr(C)]
struct Asked<T: Unit>
where
    T::Value: ShmLayout + Copy,
{
    first: T::Value,
    values: ShmVec<T::Value, 4>,
    second: T::Value,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Known<T: Unit<Value = u64>> {
    value: T::Value,
    values: [T; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Tail<T: Unit> {
    len: u64,
    tail: [T::Value],
}

struct Metres;

type Feet = u32;

impl Unit for Metres {
    type Value = u64;
}

/// Other modules see the struct, but not the trait.
#[allow(private_bounds, private_interfaces)]
#[derive(ShmLayout)]
#[repr(C)]
pub struct Named<T: Unit> {
    pub value: <T as Unit>::Value,
    pub values: [ShmVec<T::Value, 4>; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Generic<T: Unit>
where
    T::Value: ShmLayout,
{
    named: Named<T>,
    other: [Named<Metres>; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    last: Last<u32>,
    inside: Inside<u32>,
    nested: Nested<u64>,
    asked: Asked<u32>,
    known: Known<u32>,
    generic: Generic<Feet>,
}

fn main() {
    let shm = Shared::create_anonymous().unwrap();
    shm.last.value.set(1);
    shm.inside.values[1].set(2);
    shm.nested.values[1][0].set(3);
    shm.asked.second.set(4);
    shm.known.value.set(5);
    shm.generic.other[1].value.set(6);
    let contained = Contained::<u32>::create_anonymous().unwrap();
    contained.values.push(7).unwrap();
    contained.latest.write().unwrap().commit().unwrap();
    let tail = Tail::<u64>::create_anonymous_with_len(3).unwrap();
    tail.tail[2].set(6_u32);
}
