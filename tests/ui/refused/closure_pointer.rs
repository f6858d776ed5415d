use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    callback: extern "C" fn(u32) -> u32,
}

fn main() {}
