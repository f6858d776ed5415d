use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
enum Mode {
    Off,
    On,
}

fn main() {}
