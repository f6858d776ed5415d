//! The claim word in shared memory: the protocol with the system's clock, futex and locks.

use std::time::{Duration, Instant};

use super::participant::Seat;
use super::process::id_at;
use super::word::{self, Turn, Wake, World};
use crate::error::{ANONYMOUS, ShmError};
use crate::primitive::AtomicU32;
use crate::sys::clock::Deadline;
use crate::sys::{Errno, SysError, futex};

/// An exclusive role in shared memory: zero when nobody has it.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct ClaimWord(
    /// # Invariants
    ///
    /// 1. In the payload of a segment whose type has claims, and borrowed no longer than its handle. Upheld because no
    ///    function makes one by value: references come from the views of sync types, whose layouts are `claiming`.
    AtomicU32,
);

/// A claim that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// The id it is held by.
    pub(crate) me: u32,
    /// Whether the owner before died, or left its work half done.
    pub(crate) poisoned: bool,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Not at all, but for a look whether the owner lives.
    None,
    /// Up to a point in time.
    Until(Deadline),
    /// As long as the owner lives.
    Forever,
}

/// Why a claim was not had.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A living owner has it, and patience is at its end.
    Owned,
    /// This process cannot protect a claim.
    Unprotected(ShmError),
}

impl ClaimWord {
    /// Claims the role if it is free, in the few instructions that this takes.
    #[inline(always)]
    pub(crate) fn claim_free(&self) -> Option<Held> {
        let me = id_at(self.address());
        (me != 0 && word::claim_free(&self.0, me)).then_some(Held {
            me,
            poisoned: false,
        })
    }

    /// Claims the role, waiting for its owner to release it or to die. The owner's life is looked at in any case.
    #[cold]
    pub(crate) fn claim(&self, patience: Patience) -> Result<Held, Refused> {
        // SAFETY: invariant 1; the seat is used no longer than `self` is borrowed.
        let Some(seat) = (unsafe { Seat::at(self.address()) }) else {
            // No handle leads to a word without a seat.
            let error = SysError::new("claiming", Errno::ENOENT);
            return Err(Refused::Unprotected(ShmError::from_sys(ANONYMOUS, error)));
        };
        let me = match id_at(self.address()) {
            // After a fork.
            0 => seat
                .join(Deadline::after(Duration::ZERO))
                .map_err(Refused::Unprotected)?,
            me => me,
        };
        let mut waiting = Waiting::new(seat, me, patience);
        match word::claim(&self.0, me, &mut waiting) {
            Some(claimed) => Ok(Held {
                me,
                poisoned: claimed.poisoned,
            }),
            None => Err(Refused::Owned),
        }
    }

    /// Releases what this process has claimed. In a fork child of the owner, which has a copy of the guard and not the
    /// claim, this does nothing.
    #[inline]
    pub(crate) fn release(&self, me: u32, poison: bool) {
        if id_at(self.address()) == me {
            word::release(&self.0, me, poison, &Futex);
        }
    }

    #[inline(always)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// One wait: its clock, and whom to ask.
struct Waiting<'a> {
    seat: &'a Seat,
    me: u32,
    deadline: Deadline,
    slice: Duration,
    slice_ends: Instant,
}

impl<'a> Waiting<'a> {
    const FIRST_SLICE: Duration = Duration::from_millis(1);
    const LONGEST_SLICE: Duration = Duration::from_millis(50);

    fn new(seat: &'a Seat, me: u32, patience: Patience) -> Self {
        let deadline = match patience {
            Patience::None => Deadline::after(Duration::ZERO),
            Patience::Until(deadline) => deadline,
            Patience::Forever => Deadline::after(Duration::MAX),
        };
        Self {
            seat,
            me,
            deadline,
            slice: Self::FIRST_SLICE,
            slice_ends: Instant::now() + Self::FIRST_SLICE,
        }
    }
}

impl World for Waiting<'_> {
    fn spins(&self) -> u32 {
        // Who does not want to wait does not spin either.
        if self.deadline.left().is_zero() {
            0
        } else {
            100
        }
    }

    fn turn(&mut self) -> Turn {
        if self.deadline.left().is_zero() {
            return Turn::Last;
        }
        // By the clock, not by how a sleep ended: signals would put the probe off for ever.
        let now = Instant::now();
        if now < self.slice_ends {
            return Turn::Wait;
        }
        self.slice = (self.slice * 2).min(Self::LONGEST_SLICE);
        self.slice_ends = now + self.slice;
        Turn::Probe
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        self.seat.is_dead(owner, self.me)
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        let slice = self.slice_ends.saturating_duration_since(Instant::now());
        let span = slice.min(self.deadline.left());
        if futex::wait(word, seen, span).is_err() {
            // Not known to happen. Waiting without being woken is slower, and better than a busy loop.
            std::thread::sleep(span);
        }
    }
}

/// Wakes by the kernel's futex.
struct Futex;

impl Wake for Futex {
    fn wake(&self, word: &AtomicU32) {
        futex::wake_one(word);
    }
}
