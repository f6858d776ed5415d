use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Entry {
    name: [u8; 5],
    size: u32,
}

fn main() {}
