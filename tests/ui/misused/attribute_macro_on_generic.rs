use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[shm_attributes::without_repr]
#[repr(C)]
struct Mixed<T> {
    small: T,
    middle: bool,
    last: T,
}

static LAYOUT: &shm_core::TypeLayout = Mixed::<u8>::LAYOUT;

fn main() {
    let _ = LAYOUT;
}
