use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version)]
struct Counter {
    hits: u64,
}

fn main() {}
