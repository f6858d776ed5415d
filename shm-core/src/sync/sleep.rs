//! Sleeping and waking on an eventcount, with the system's clock and futex.

use crate::access::Access;
use crate::claim::wait::Slices;
use crate::primitive::AtomicU32;
use crate::protocol::claim_word::Turn;
use crate::protocol::counted::WakeSome;
use crate::protocol::eventcount::{WakeAll, World};
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// One wait.
#[derive(Debug)]
pub(super) struct Sleeper {
    slices: Slices,
    announces: bool,
    has_spun: bool,
}

impl Sleeper {
    /// For who may write, and so is woken.
    pub(super) fn until(deadline: Deadline) -> Self {
        Self {
            slices: Slices::until(deadline),
            announces: true,
            has_spun: false,
        }
    }

    /// For who may write only if `A` says so. Otherwise others' announcements wake it too; without them it looks every now
    /// and then.
    pub(super) fn through<A: Access>(deadline: Deadline) -> Self {
        if A::WRITABLE {
            return Self::until(deadline);
        }
        Self {
            slices: Slices::polling(deadline),
            announces: false,
            has_spun: false,
        }
    }

    /// The same for who has looked often enough before.
    pub(super) fn having_spun(self) -> Self {
        Self {
            has_spun: true,
            ..self
        }
    }
}

impl World for Sleeper {
    fn announces(&self) -> bool {
        self.announces
    }

    fn spins(&self) -> u32 {
        if self.has_spun {
            0
        } else {
            self.slices.spins()
        }
    }

    fn turn(&mut self) -> Turn {
        self.slices.turn()
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.slices.sleep(word, seen);
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
