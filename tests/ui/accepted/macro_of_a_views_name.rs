//! A macro that stands for the name that a view has.

#![forbid(warnings)]

use shm_core::ShmLayout;

macro_rules! taken {
    () => {
        SharedView
    };
}

/// Named as the view of `Shared` would be.
#[derive(ShmLayout)]
#[repr(C)]
pub struct SharedView {
    pub id: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
pub struct Shared {
    pub view: taken!(),
}

fn main() {}
