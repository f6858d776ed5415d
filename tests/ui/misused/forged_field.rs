#![forbid(unsafe_code)]

use shm_core::{ShmLayout, TypeLayout, why};

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Pointer(&'static u64);

impl why::Field for Pointer {
    const LAYOUT: &'static TypeLayout = <u64 as ShmLayout>::LAYOUT;
    const SEAL: why::sealed::Seal = <u64 as why::Field>::SEAL;
}

/// What the derive would ask of a field `Wrapped<String>`.
struct Wrapped<T>(T);

impl why::OwnerPartOf<Wrapped<String>> for String {
    const LAYOUT: &'static TypeLayout = <u64 as ShmLayout>::LAYOUT;
    const SEAL: why::sealed::Seal = <u64 as why::Field>::SEAL;
}

/// And of a last field `Tail`.
struct Tail([u8]);

impl why::Measures<Tail> for why::SharedMemory {
    type Itself = u64;
    type Asked = u64;
}

fn main() {}
