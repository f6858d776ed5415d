use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 2, version = 3)]
struct Counter {
    #[shm(rename = "misses")]
    hits: u64,
    misses: u64,
}

fn main() {}
