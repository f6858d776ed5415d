use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(Rust)]
struct Point {
    x: f64,
    y: f64,
}

fn main() {}
