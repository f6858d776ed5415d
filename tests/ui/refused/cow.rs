use std::borrow::Cow;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Cow<'static, str>,
}

fn main() {}
