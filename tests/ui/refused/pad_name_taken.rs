use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    flags: u32,
    mode: u64,
    code: u16,
    _pad: [u8; 2],
}

fn main() {}
