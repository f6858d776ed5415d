use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Image {
    width: u64,
    pixels: [u8],
}

fn main() {
    let _ = Image::create("/image");
}
