#![forbid(unsafe_code)]

use shm_core::{ShmLayout, TypeLayout, why};

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Pointer(&'static u64);

impl why::Field for Pointer {
    const LAYOUT: &'static TypeLayout = <u64 as ShmLayout>::LAYOUT;
    const SEAL: why::sealed::Seal = <u64 as why::Field>::SEAL;
}

fn main() {}
