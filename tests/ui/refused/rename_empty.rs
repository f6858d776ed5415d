use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    #[shm(rename = "")]
    hits: u64,
}

fn main() {}
