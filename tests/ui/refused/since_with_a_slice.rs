use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Image {
    width: u32,
    #[shm(since = 1)]
    height: u32,
    #[shm(since = 1)]
    pixels: [u8],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(room = 64)]
struct Text {
    letters: [u8],
}

fn main() {}
