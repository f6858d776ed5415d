use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off = 1,
    On = 2,
}

fn main() {
    let _ = Mode::create_anonymous();
}
