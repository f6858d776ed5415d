use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm = "x"]
struct Counter {
    hits: u64,
}

fn main() {}
