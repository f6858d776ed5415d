use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    #[shm(rename = "a", rename = "b")]
    hits: u64,
}

fn main() {}
