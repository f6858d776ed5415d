use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 1)]
#[shm(version = 1)]
struct Counter {
    hits: u64,
}

fn main() {}
