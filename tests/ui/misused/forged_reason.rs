#![forbid(unsafe_code)]

use shm_core::diagnostics;
use shm_core::{Access, TypeLayout};

/// With a local type as an argument, any crate can implement these traits for types of this library.
#[derive(Clone, Copy)]
struct Pointer(&'static u64);

impl diagnostics::HoldsAddress<Pointer> for diagnostics::SharedMemory {}

struct Known(&'static u64);

impl diagnostics::Knows<Known> for diagnostics::SharedMemory {
    type Argument = u64;
    type Reason = diagnostics::Arguments;
}

struct Listed(&'static u64);

impl diagnostics::Refusable for Listed {
    type Argument = u64;
    type Reason = diagnostics::Arguments;
}

struct Shared(&'static u64);

impl diagnostics::SharedWith<u64, diagnostics::Arguments> for Shared {
    type SharedView<A: Access> = u64;
    const SHARED_LAYOUT: &'static TypeLayout = <u64 as shm_core::ShmLayout>::LAYOUT;
    fn shared_view_at<A: Access>(payload: *const (), _: usize) -> *const u64 {
        payload.cast()
    }
}

/// This reason has no name outside the library.
struct Undecided(&'static u64);

impl diagnostics::Refusable for Undecided {
    type Argument = diagnostics::sealed::Undecided;
    type Reason = diagnostics::sealed::Undecided;
}

struct Whole(&'static u64);

impl diagnostics::CopiedIn<shm_core::sync::SeqLock<Whole>> for Whole {}

fn main() {}
