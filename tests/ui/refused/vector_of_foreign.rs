//! An argument that lacks the derive.

use shm_core::{ShmLayout, ShmVec};

struct Point {
    x: f32,
    y: f32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: ShmVec<Point, 4>,
    end: u64,
}

fn main() {}
