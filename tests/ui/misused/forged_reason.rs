#![forbid(unsafe_code)]

use shm_core::diagnostics;

/// With a local type as an argument, any crate can implement these traits for types of this library.
#[derive(Clone, Copy)]
struct Pointer(&'static u64);

impl diagnostics::Knows<Pointer> for diagnostics::SharedMemory {
    type Reason = diagnostics::Address;
}

impl diagnostics::Allows<Pointer> for diagnostics::Address {}

fn main() {}
