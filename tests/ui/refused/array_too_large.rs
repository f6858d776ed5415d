use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Large {
    table: [[u64; 1 << 40]; 1 << 40],
    bytes: [u8; 4611686018427387904],
    fine: [u8; 1 << 40],
}

fn main() {}
