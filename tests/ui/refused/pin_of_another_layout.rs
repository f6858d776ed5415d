use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = "0123456789abcdef")]
struct Counter {
    hits: u64,
}

fn main() {}
