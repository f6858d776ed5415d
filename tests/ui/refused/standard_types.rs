use std::marker::PhantomPinned;
use std::{alloc, any, cell, cmp, convert, io, mem, num, ops, sync, task};

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    range: ops::Range<u32>,
    inclusive: ops::RangeInclusive<u32>,
    layout: alloc::Layout,
    reverse: cmp::Reverse<u32>,
    saturating: num::Saturating<u32>,
    manual: mem::ManuallyDrop<u32>,
    result: Result<u32, u32>,
    poll: task::Poll<u32>,
    bound: ops::Bound<u32>,
    ordering: cmp::Ordering,
    id: any::TypeId,
    error: io::Error,
    guard: sync::MutexGuard<'static, u32>,
    borrow: cell::Ref<'static, u32>,
    never: convert::Infallible,
    pinned: PhantomPinned,
}

fn main() {}
