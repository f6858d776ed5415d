use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(room = 0)]
struct None {
    beat: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(room = 1073741825)]
struct Much {
    beat: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(room = "64", room = 64, room = 64)]
struct Text {
    #[shm(room = 64)]
    beat: u64,
}

#[derive(ShmLayout)]
#[repr(u8)]
#[shm(room = 64)]
enum Mode {
    Off,
}

fn main() {}
