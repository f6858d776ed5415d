use shm_core::ShmLayout;

type Pair = (u32, u32);

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Pair,
    end: u64,
}

fn main() {}
