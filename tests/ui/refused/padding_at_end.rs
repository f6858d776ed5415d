use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    mode: u64,
    flags: u8,
}

fn main() {}
