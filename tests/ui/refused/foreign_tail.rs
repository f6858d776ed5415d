//! An unsized struct without the derive, also as a macro's argument.

use shm_core::ShmLayout;

struct Samples {
    rate: u64,
    values: [f64],
}

macro_rules! recording {
    ($name:ident, $samples:ty) => {
        #[derive(ShmLayout)]
        #[repr(C)]
        struct $name {
            started: u64,
            samples: $samples,
        }
    };
}

recording!(Recording, Samples);

#[derive(ShmLayout)]
#[repr(C)]
struct Spelled {
    started: u64,
    samples: Samples,
}

fn main() {}
