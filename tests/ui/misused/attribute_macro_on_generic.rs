use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[shm_attributes::without_repr]
#[repr(C)]
struct Mixed<T> {
    small: T,
    middle: bool,
    last: T,
}

fn main() {
    let _ = Mixed::<u8>::LAYOUT;
}
