use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[repr(packed)]
struct Point {
    x: f64,
    y: f64,
}

fn main() {}
