use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Frame {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

fn main() {}
