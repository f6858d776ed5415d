use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
// no repr
enum Mode {
    Off,
    On,
}

fn main() {}
