use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
enum Shape {
    Circle(f64),
    Square(f64),
}

#[derive(ShmLayout)]
#[repr(C)]
struct Drawing {
    shape: Shape,
}

fn main() {}
