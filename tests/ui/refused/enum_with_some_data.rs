use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off,
    On { level: u8 },
}

fn main() {}
