use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C, align(8192))]
struct Point {
    bytes: [u8; 8192],
}

fn main() {}
