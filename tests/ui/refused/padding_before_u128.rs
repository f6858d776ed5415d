use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Keyed {
    id: u64,
    key: u128,
}

fn main() {}
