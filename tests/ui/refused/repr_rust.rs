use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(align(16))]
struct Point {
    x: f64,
    y: f64,
}

fn main() {}
