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
    gap: Pair<u8, u16>,
}

fn main() {}
