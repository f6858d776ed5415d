use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Limits {
    max: Option<u64>,
}

fn main() {}
