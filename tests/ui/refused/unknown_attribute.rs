use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(versoin = 2)]
struct Counter {
    #[shm(skip)]
    hits: u64,
}

fn main() {}
