use shm_core::ShmLayout;

#[derive(ShmLayout)]
struct Point {
    x: f64,
    y: f64,
}

fn main() {}
