use shm_core::ShmLayout;

union Raw {
    int: u64,
    float: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    raw: Raw,
}

fn main() {}
