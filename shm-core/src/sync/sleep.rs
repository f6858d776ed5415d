//! Sleeping and waking on an eventcount, with the system's clock and futex.

use super::counted::WakeSome;
use super::eventcount::{WakeAll, World};
use crate::claim::{Slices, Turn};
use crate::primitive::AtomicU32;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// The wait of one who may write, and so is woken.
#[derive(Debug)]
pub(super) struct Sleeper(Slices);

impl Sleeper {
    pub(super) fn until(deadline: Deadline) -> Self {
        Self(Slices::until(deadline))
    }
}

impl World for Sleeper {
    fn spins(&self) -> u32 {
        self.0.spins()
    }

    fn turn(&mut self) -> Turn {
        self.0.turn()
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.0.sleep(word, seen);
    }
}

/// The wait of one whose pages are read-only. Others' announcements wake it too; without them it looks every now and
/// then.
#[derive(Debug)]
pub(super) struct Poller(Slices);

impl Poller {
    pub(super) fn until(deadline: Deadline) -> Self {
        Self(Slices::polling(deadline))
    }
}

impl World for Poller {
    const ANNOUNCES: bool = false;

    fn spins(&self) -> u32 {
        self.0.spins()
    }

    fn turn(&mut self) -> Turn {
        self.0.turn()
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.0.sleep(word, seen);
    }
}

/// Wakes by the kernel's futex.
#[derive(Clone, Copy, Debug)]
pub(super) struct Futex;

impl WakeAll for Futex {
    fn wake_all(&self, word: &AtomicU32) {
        futex::wake_all(word);
    }
}

impl WakeSome for Futex {
    fn wake_up_to(&self, word: &AtomicU32, count: u32) -> u32 {
        futex::wake_up_to(word, count)
    }
}
