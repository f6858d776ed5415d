use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding = 4)]
struct Sample {
    channel: u32,
    #[shm(padding)]
    value: u32,
}

#[derive(ShmLayout)]
#[repr(u8)]
#[shm(padding)]
enum Mode {
    Off,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding, padding)]
struct Twice {
    channel: u32,
    value: u64,
}

fn main() {}
