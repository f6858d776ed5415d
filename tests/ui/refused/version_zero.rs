use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 0)]
struct Counter {
    hits: u64,
}

fn main() {}
