use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Samples {
    count: u32,
    values: [f64],
}

fn main() {}
