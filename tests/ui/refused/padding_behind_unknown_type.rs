use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Rgb {
    channels: [u8; 3],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Pixel {
    x: u32,
    color: Rgb,
    depth: f32,
}

fn main() {}
