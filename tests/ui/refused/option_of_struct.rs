use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Point {
    x: f32,
    y: f32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Option<Point>,
    end: u64,
}

fn main() {}
