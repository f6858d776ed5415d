use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Inner {
    flag: bool,
    value: u32,
}

// No error is reported here.
#[derive(ShmLayout)]
#[repr(C)]
struct Outer {
    inner: [Inner; 2],
    count: u64,
}

fn main() {}
