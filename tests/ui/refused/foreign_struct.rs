use shm_core::ShmLayout;

struct Plain {
    x: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Outer {
    id: u64,
    plain: Plain,
}

fn main() {}
