#![forbid(unsafe_code)]

use shm_core::diagnostics;

/// With a type of one's own in it, anybody may implement these traits for types of this library.
#[derive(Clone, Copy)]
struct Pointer(&'static u64);

impl diagnostics::Knows<Pointer> for diagnostics::SharedMemory {
    type Because = diagnostics::Address;
}

impl diagnostics::Allows<Pointer> for diagnostics::Address {}

fn main() {}
