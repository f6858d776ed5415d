use shm_core::ShmLayout;

type Len = usize;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Len,
}

fn main() {}
