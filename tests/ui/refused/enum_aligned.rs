use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8, align(4))]
enum Mode {
    Off,
    On,
}

fn main() {}
