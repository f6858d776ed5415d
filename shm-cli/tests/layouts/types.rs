//! The types of the segments.

use std::sync::atomic::AtomicU64;

use shm_core::sync::{Mutex, Ring, Semaphore, SeqLock};
use shm_core::{ShmLayout, ShmStr, ShmVec};

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
pub(crate) struct Pose {
    pub(crate) xyz: [f64; 3],
    pub(crate) quality: u32,
    pub(crate) _pad: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u8)]
pub(crate) enum Mode {
    Idle,
    Fast = 7,
}

/// Something of everything.
#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
pub(crate) struct Robot {
    pub(crate) beat: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) mode: Mode,
    pub(crate) flags: [u8; 3],
    pub(crate) temperature: f32,
    pub(crate) name: ShmStr<24>,
    pub(crate) battery: Mutex<f64>,
    pub(crate) poses: [Pose; 10],
    pub(crate) pose: SeqLock<Pose>,
    pub(crate) jobs: Ring<u64, 64>,
    pub(crate) history: ShmVec<f32, 500>,
    pub(crate) permits: Semaphore,
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
pub(crate) struct Telemetry {
    pub(crate) frame: u64,
    pub(crate) position: [f64; 3],
    pub(crate) temperature: f32,
    pub(crate) flags: u32,
}
