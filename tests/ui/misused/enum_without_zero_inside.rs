//! The enum is in a struct inside a lock.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off = 1,
    On = 2,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Motor {
    speed: u8,
    mode: Mode,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Robot {
    motors: SeqLock<[Motor; 4]>,
}

fn main() {
    let _ = Robot::open_or_create("/robot");
}
