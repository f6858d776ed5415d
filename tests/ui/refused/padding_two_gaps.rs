use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Gaps {
    a: u8,
    b: u32,
    c: u8,
    d: u64,
}

fn main() {}
