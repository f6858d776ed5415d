#![forbid(unsafe_code)]

use shm_core::{ShmLayout, TypeLayout, diagnostics};

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Pointer(&'static u64);

impl diagnostics::Field for Pointer {
    const LAYOUT: &'static TypeLayout = <u64 as ShmLayout>::LAYOUT;
    const SEAL: diagnostics::sealed::Seal = <u64 as diagnostics::Field>::SEAL;
}

/// The bound that the derive would put on a field `Wrapped<String>`.
struct Wrapped<T>(T);

impl diagnostics::OwnerPartOf<Wrapped<String>> for String {
    const LAYOUT: &'static TypeLayout = <u64 as ShmLayout>::LAYOUT;
    const SEAL: diagnostics::sealed::Seal = <u64 as diagnostics::Field>::SEAL;
}

/// And on a last field `Tail`.
struct Tail([u8]);

impl diagnostics::Measures<Tail> for diagnostics::SharedMemory {
    type Itself = u64;
    type Asked = u64;
}

fn main() {}
