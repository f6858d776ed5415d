use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    flags: u32,
    mode: u64,
}

fn main() {}
