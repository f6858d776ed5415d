use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(u8)]
#[shm(version = 2)]
enum Mode {
    Off,
    On,
}

fn main() {}
