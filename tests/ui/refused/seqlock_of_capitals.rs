//! A name in capitals may be a constant's.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(ShmLayout)]
#[repr(C)]
struct IMU {
    gyro: [f32; 3],
    accel: [f32; 3],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    imu: SeqLock<IMU>,
}

fn main() {}
