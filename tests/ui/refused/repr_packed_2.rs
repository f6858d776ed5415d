use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C, packed(2))]
struct Point {
    x: f64,
    y: f64,
}

fn main() {}
