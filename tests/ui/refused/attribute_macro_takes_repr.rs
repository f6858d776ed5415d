use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[shm_attributes::without_repr]
#[repr(C)]
struct Mixed {
    small: [u8; 4],
    middle: u32,
    large: u64,
    last: [u16; 4],
}

fn main() {}
