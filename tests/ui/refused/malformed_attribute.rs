use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = "two")]
struct Counter {
    #[shm]
    hits: u64,
}

fn main() {}
