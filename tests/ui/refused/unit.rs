use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Nothing;

fn main() {}
