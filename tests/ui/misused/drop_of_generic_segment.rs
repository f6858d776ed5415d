use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Guarded<T> {
    value: T,
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {}
}

fn main() {
    let _ = Guarded::<u64>::create("/never");
}
