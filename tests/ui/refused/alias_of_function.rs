use shm_core::ShmLayout;

type Callback = fn(u32) -> bool;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Callback,
    end: u64,
}

fn main() {}
