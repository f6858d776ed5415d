use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C, packed)]
struct Header {
    kind: u8,
    len: u32,
}

fn main() {}
