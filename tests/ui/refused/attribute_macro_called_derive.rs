//! Any macro can have the name `derive`.

use shm_attributes::derive;
use shm_core::ShmLayout;

#[std::prelude::v1::derive(Clone, Copy, ShmLayout)]
#[derive()]
#[repr(C)]
struct Mixed {
    small: u8,
    middle: bool,
    last: u8,
}

fn main() {}
