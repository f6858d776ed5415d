#![forbid(unsafe_code)]

use shm_core::why;

/// With a type of one's own in it, anybody may implement these traits for types of this library.
#[derive(Clone, Copy)]
struct Pointer(&'static u64);

impl why::Knows<Pointer> for why::SharedMemory {
    type Because = why::Address;
}

impl why::Allows<Pointer> for why::Address {}

fn main() {}
