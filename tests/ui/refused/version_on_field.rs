use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    #[shm(version = 2)]
    hits: u64,
}

fn main() {}
