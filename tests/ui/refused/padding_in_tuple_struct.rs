use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Tagged(u8, u64);

fn main() {}
