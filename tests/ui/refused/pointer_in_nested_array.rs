use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: [[*mut u8; 2]; 2],
}

fn main() {}
