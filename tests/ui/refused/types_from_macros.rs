//! Errors in a macro's arguments are reported at the call, and those in its expansion at the field.

use shm_core::ShmLayout;

macro_rules! shared {
    ($name:ident { $($field:ident: $ty:ty),* }) => {
        #[derive(ShmLayout)]
        #[repr(C)]
        struct $name { $($field: $ty),* }
    };
}

shared!(Given {
    address: *const u8,
    pair: (u8, u8),
    text: &'static str,
    pairs: [(u8, u8); 2],
    call: fn()
});

macro_rules! boxed {
    () => {
        Box<u8>
    };
}

#[derive(ShmLayout)]
#[repr(C)]
struct Meant {
    first: boxed!(),
    some: [boxed!(); 2],
    last: boxed!(),
}

fn main() {}
