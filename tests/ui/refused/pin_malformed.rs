use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = "12")]
struct Counter {
    hits: u64,
}

fn main() {}
