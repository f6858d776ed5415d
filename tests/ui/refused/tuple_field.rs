use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Line {
    from: (f64, f64),
    to: [f64; 2],
}

fn main() {}
