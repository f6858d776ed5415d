use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<A, B> {
    first: A,
    second: B,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Pair<u64, &str>,
    end: u64,
}

fn main() {}
