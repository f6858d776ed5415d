use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(u8)]
enum Mode {
    Off,
    #[shm(rename = "active")]
    On,
}

fn main() {}
