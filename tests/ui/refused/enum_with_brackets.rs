use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(u8)]
enum Mode {
    Off {},
    On,
}

fn main() {}
