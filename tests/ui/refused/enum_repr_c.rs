use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
enum Mode {
    Off,
    On,
}

fn main() {}
