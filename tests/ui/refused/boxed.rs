use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Big {
    data: Box<[u8; 4096]>,
}

fn main() {}
