use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(crate = shm_core)]
struct Counter {
    hits: u64,
}

fn main() {}
