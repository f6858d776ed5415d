use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(crate = "not a path")]
struct Counter {
    hits: u64,
}

fn main() {}
