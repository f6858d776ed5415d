//! Waiting in slices: sleep that is cut by the clock, so that something can be looked at between its parts.

use std::time::{Duration, Instant};

use super::word::Turn;
use crate::primitive::AtomicU32;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// One wait. Its sleep is cut into slices, each twice as long as the one before.
#[derive(Debug)]
pub(crate) struct Slices {
    deadline: Deadline,
    slice: Duration,
    longest: Duration,
    slice_ends: Instant,
}

impl Slices {
    /// For who is woken when there is something to see: slices of 5 to 50 ms, for what nobody wakes for, a death.
    ///
    /// The first is longer than the kernel's tick, which mostly is 4 ms: a sleep that should end before the next tick
    /// needs a timer of its own. That cost 5 µs a sleep where it was measured, as much as going to sleep and being woken.
    pub(crate) fn until(deadline: Deadline) -> Self {
        Self::new(
            deadline,
            Duration::from_millis(5),
            Duration::from_millis(50),
        )
    }

    /// For who cannot ask to be woken, because its pages are read-only: slices of 50 µs to 2 ms.
    pub(crate) fn polling(deadline: Deadline) -> Self {
        Self::new(
            deadline,
            Duration::from_micros(50),
            Duration::from_millis(2),
        )
    }

    fn new(deadline: Deadline, first: Duration, longest: Duration) -> Self {
        Self {
            deadline,
            slice: first,
            longest,
            slice_ends: Instant::now() + first,
        }
    }

    /// How often to look before the first sleep: who does not want to wait does not spin either.
    pub(crate) fn spins(&self) -> u32 {
        if self.deadline.left().is_zero() {
            0
        } else {
            100
        }
    }

    /// What the next round is for.
    pub(crate) fn turn(&mut self) -> Turn {
        if self.deadline.left().is_zero() {
            return Turn::Last;
        }
        // By the clock, not by how a sleep ended: signals would put the probe off for ever.
        let now = Instant::now();
        if now < self.slice_ends {
            return Turn::Wait;
        }
        self.slice = (self.slice * 2).min(self.longest);
        self.slice_ends = now + self.slice;
        Turn::Probe
    }

    /// Sleeps while the word is `seen`, at most until the slice or the wait ends.
    pub(crate) fn sleep(&self, word: &AtomicU32, seen: u32) {
        let slice = self.slice_ends.saturating_duration_since(Instant::now());
        let span = slice.min(self.deadline.left());
        if futex::wait(word, seen, span).is_err() {
            // Not known to happen. Waiting without being woken is slower, and better than a busy loop.
            std::thread::sleep(span);
        }
    }
}
