use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(u8)]
enum Mode<const N: usize> {
    Off,
    On,
}

impl<const N: usize> Drop for Mode<N> {
    fn drop(&mut self) {}
}

fn main() {
    let _ = Mode::<1>::create("/never");
}
