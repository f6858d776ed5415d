//! Layouts from schemas, compared with those of the types.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8};

use shm_core::dynamic::DynSegment;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmStr, ShmVec};
use shm_tests::Names;
use shm_tests::hostile::{Color, Everything, Leaves, Part};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C, align(512))]
struct Aligned {
    value: u64,
    rest: [u64; 63],
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Small(u8);

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding, version = 9)]
struct Gaps {
    first: u8,
    mutex: Mutex<u8>,
    last: u64,
    more: [Inner; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Inner {
    small: u8,
    large: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Tail {
    len: u64,
    items: [ShmVec<u16, 3>],
}

/// Creates a segment of the type, and compares the layout in it with the type's.
fn compare<T: ShmLayout>() {
    let names = Names::new("dyn-layout");
    let name = names.name("t");
    let _shm = T::create_with(&name, |_| {}).unwrap();
    compare_attached::<T>(&name);
}

fn compare_attached<T: ShmLayout + ?Sized>(name: &str) {
    let segment = DynSegment::attach(name).unwrap();
    let layout = segment.layout();
    // A schema has neither the targets of offsets nor options.
    let table = T::LAYOUT.to_string();
    let table = table.replace("ShmOffset<u64>", "ShmOffset");
    let table = table.replace("Option<NonZeroU64>", "u64");
    assert_eq!(layout.to_string(), table);
    assert_eq!(layout.fingerprint(), T::LAYOUT.fingerprint());
    assert_eq!(layout.align(), T::LAYOUT.align());
    assert_eq!(layout.version(), T::LAYOUT.version());
    assert_eq!(layout.is_checked(), T::LAYOUT.is_checked());
    assert_eq!(layout.zero_is_valid(), T::LAYOUT.zero_is_valid());
    // Equal schemas have one layout.
    let again = DynSegment::attach_read_only(name).unwrap();
    assert!(std::ptr::eq(again.layout(), layout));
}

#[test]
fn the_layout_of_a_schema_is_that_of_its_type() {
    compare::<u64>();
    compare::<AtomicU8>();
    compare::<[AtomicI64; 3]>();
    compare::<[AtomicBool; 8]>();
    compare::<[[u128; 2]; 3]>();
    compare::<Small>();
    compare::<Aligned>();
    compare::<Gaps>();
    compare::<Leaves>();
    compare::<Part>();
    compare::<Color>();
    compare::<ShmStr<7>>();
    compare::<ShmOffset<u64>>();
    compare::<ShmVec<u8, 3>>();
    compare::<ShmVec<u128, 3>>();
    compare::<ShmVec<Aligned, 2>>();
    compare::<ShmVec<[Gaps; 1], 2>>();
    compare::<ShmVec<u8, 0>>();
    compare::<Mutex<u8>>();
    compare::<Mutex<Aligned>>();
    compare::<Mutex<Mutex<Gaps>>>();
    compare::<SeqLock<u8, 3>>();
    compare::<SeqLock<Aligned>>();
    compare::<SeqLock<[Part; 40], 5>>();
    compare::<SeqLock<ShmOffset<u64>>>();
    compare::<SeqLock<ShmStr<129>>>();
    compare::<Ring<u8, 1>>();
    compare::<Ring<Aligned, 2>>();
    compare::<Ring<Part, 64>>();
    compare::<Ring<[u8; 0], 4>>();
    compare::<Broadcast<u8, 1>>();
    compare::<Broadcast<Aligned, 3>>();
    compare::<Broadcast<Part, 5>>();
    compare::<Event>();
    compare::<Semaphore>();
    compare::<Barrier<1>>();
    compare::<Barrier<7>>();
}

#[test]
fn the_layout_of_a_trailing_slice_is_that_of_its_type() {
    let names = Names::new("dyn-tail");
    for len in [0, 1, 50] {
        let name = names.name("tail");
        let _shm = Tail::create_with_len(&name, len).unwrap();
        compare_attached::<Tail>(&name);
        let items = DynSegment::attach(&name).unwrap().at("items").unwrap();
        assert_eq!(items.len().unwrap(), Some(len));
    }
    let name = names.name("all");
    let _shm = Everything::create_with_len(&name, 5).unwrap();
    let layout = DynSegment::attach(&name).unwrap().layout();
    assert_eq!(layout.fingerprint(), Everything::LAYOUT.fingerprint());
}
