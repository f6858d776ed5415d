use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<A, B> {
    first: A,
    second: B,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Outer {
    fine: Pair<u32, f32>,
    pair: Pair<u64, *const u8>,
}

fn main() {}
