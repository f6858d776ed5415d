//! A name in capitals could be that of a constant.

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
