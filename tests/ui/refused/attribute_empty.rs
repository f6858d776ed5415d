use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm()]
struct Counter {
    hits: u64,
}

fn main() {}
