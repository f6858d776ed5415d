use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[shm_attributes::numbers_to_references]
#[repr(C)]
struct Counter {
    hits: u64,
}

fn main() {}
