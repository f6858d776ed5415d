//! A segment with a part of every kind.

use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};
use shm_core::{Shm, ShmLayout, ShmOffset, ShmStr, ShmVec};

#[derive(Clone, Copy, Debug, Default, PartialEq, ShmLayout)]
#[repr(C)]
pub(crate) struct Pose {
    pub(crate) frame: u64,
    pub(crate) xyz: [f64; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u32)]
pub(crate) enum Mode {
    Idle = 0,
    Fast = 7,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
pub(crate) struct Job {
    pub(crate) id: u32,
    pub(crate) mode: Mode,
    pub(crate) name: ShmStr<24>,
}

#[derive(ShmLayout)]
#[repr(C)]
pub(crate) struct State {
    pub(crate) total: u64,
    pub(crate) items: ShmVec<u32, 100>,
}

/// Its padding is nobody's business.
#[derive(ShmLayout)]
#[shm(padding)]
#[repr(C)]
pub(crate) struct Robot {
    pub(crate) frame: u64,
    pub(crate) temperature: f64,
    pub(crate) neg: i64,
    pub(crate) mode: Mode,
    pub(crate) gain: f32,
    pub(crate) label: ShmStr<32>,
    pub(crate) letter: char,
    pub(crate) flags: [bool; 4],
    pub(crate) raw: [u8; 200],
    pub(crate) mac: [u8; 6],
    pub(crate) wide: u128,
    pub(crate) battery: [f32; 32],
    pub(crate) matrix: [[f32; 2]; 2],
    pub(crate) history: [Pose; 100],
    pub(crate) first: ShmOffset<Pose>,
    pub(crate) pose: SeqLock<Pose>,
    pub(crate) state: Mutex<State>,
    pub(crate) counter: Mutex<u64>,
    pub(crate) jobs: Ring<Job, 64>,
    pub(crate) ticks: Broadcast<Pose, 16>,
    pub(crate) stop: Event,
    pub(crate) slots: Semaphore,
    pub(crate) start: Barrier<3>,
}

/// Creates one, with values in it.
pub(crate) fn robot(name: &str) -> Shm<Robot> {
    let shm = Robot::create(name).unwrap();
    shm.frame.set(123_456_789);
    shm.temperature.set(36.6);
    shm.neg.set(-5);
    shm.mode.set(Mode::Fast);
    shm.label.set("two \"words\"").unwrap();
    shm.letter.set('x');
    for (number, byte) in shm.raw.iter().enumerate().take(20) {
        byte.set(b'0' + number as u8);
    }
    shm.wide.set(u128::MAX);
    for (number, cell) in shm.battery.iter().enumerate() {
        cell.set(number as f32 / 2.0);
    }
    for (number, pose) in shm.history.iter().enumerate() {
        pose.frame.set(number as u64);
    }
    let pose = Pose {
        frame: 9,
        xyz: [1.0, 2.5, -3.0],
    };
    shm.pose.store(pose).unwrap();
    {
        let state = shm.state.lock().unwrap();
        for item in [10, 20, 30] {
            state.items.push(item).unwrap();
        }
    }
    shm.slots.post_many(3).unwrap();
    shm
}
