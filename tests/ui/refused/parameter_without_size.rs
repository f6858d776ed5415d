use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Tagged<T: ?Sized> {
    tag: u64,
    value: T,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Versioned<T>
where
    T: Copy + ?Sized,
{
    version: u64,
    value: T,
}

fn main() {}
