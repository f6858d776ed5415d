use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(usize)]
enum Mode {
    Off,
    On,
}

fn main() {}
