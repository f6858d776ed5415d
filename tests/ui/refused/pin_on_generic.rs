use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = "0123456789abcdef")]
struct Cell<T> {
    value: T,
}

fn main() {}
