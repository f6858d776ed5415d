use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(since = 1)]
struct Status {
    beat: u64,
}

#[derive(ShmLayout)]
#[repr(u8)]
#[shm(since = 1)]
enum Mode {
    Off,
}

#[derive(ShmLayout)]
#[repr(u8)]
enum Kind {
    Old,
    #[shm(since = 1)]
    New,
}

fn main() {}
