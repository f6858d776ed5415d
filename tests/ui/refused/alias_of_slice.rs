use shm_core::ShmLayout;

type Pixels = [u8];

#[derive(ShmLayout)]
#[repr(C)]
struct Image {
    width: u64,
    pixels: Pixels,
}

fn main() {}
