//! Cells as a slice of their values: copy them with `read_into` or `to_vec`.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Image {
    pixels: [u8; 64],
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

fn main() {
    let shm = Image::create_anonymous().unwrap();
    let bytes: &[u8] = &shm.pixels[..];
    let sum = checksum(&shm.pixels);
}
