//! A macro that expands to the name of a view.

#![forbid(warnings)]

use shm_core::ShmLayout;

macro_rules! taken {
    () => {
        SharedView
    };
}

/// Has the name that the view of `Shared` would have.
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
