use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off,
    On,
}

fn main() {
    let shm = <[Mode; 4]>::create_anonymous().unwrap();
    let _ = shm.load();
}
