//! A private field would rule out literals of the struct in other modules.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
pub struct Pose {
    pub valid: bool,
    pub time: u64,
}

fn main() {}
