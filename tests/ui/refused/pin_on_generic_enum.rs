use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(u8)]
#[shm(pin = "0123456789abcdef")]
enum Mode<const N: usize> {
    Off,
    On,
}

fn main() {}
