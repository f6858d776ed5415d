//! The claim word in shared memory: the protocol with the system's clock, futex and locks.

use std::time::Duration;

use super::participant::Registration;
use super::process::id_at;
use super::wait::SlicedWait;
use crate::access::{Access, acquire};
use crate::error::{ANONYMOUS, ShmError};
use crate::primitive::{AtomicU32, Ordering};
use crate::protocol::claim_word::{self as word, ClaimEnv, ID, POISON, WakeOne};
use crate::protocol::wait::WaitStep;
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
pub(crate) enum Timeout {
    /// Not at all, but for a look whether the owner lives.
    Now,
    /// Up to a point in time.
    At(Deadline),
    /// As long as the owner lives.
    Never,
}

impl Timeout {
    /// When it ends.
    pub(crate) fn deadline(self) -> Deadline {
        match self {
            Self::Now => Deadline::after(Duration::ZERO),
            Self::At(deadline) => deadline,
            Self::Never => Deadline::after(Duration::MAX),
        }
    }
}

/// Why a claim was not had.
#[derive(Debug)]
pub(crate) enum ClaimFailed {
    /// A living owner has it, and timeout is at its end.
    Owned,
    /// This process cannot protect a claim.
    Unregistered(ShmError),
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
    pub(crate) fn claim(&self, timeout: Timeout) -> Result<Held, ClaimFailed> {
        let (registration, me) = self.registration().map_err(ClaimFailed::Unregistered)?;
        let mut waiting = ClaimWait::new(registration, me, timeout);
        match word::claim(&self.0, me, &mut waiting) {
            Some(claimed) => Ok(Held {
                me,
                poisoned: claimed.poisoned,
            }),
            None => Err(ClaimFailed::Owned),
        }
    }

    /// The participant that has the role, dead or alive; 0 for nobody: one load. What the last one did before it gave the
    /// role up happened before this. `A` is
    /// what the mapping allows.
    #[inline(always)]
    pub(crate) fn owner_id<A: Access>(&self) -> u32 {
        acquire::<A, _>(&self.0) & ID
    }

    /// Whether a participant, who has the role or had it, is dead for sure: a few system calls. What it did before
    /// happened before this. From a process that cannot claim, everybody seems to live.
    #[cold]
    pub(crate) fn is_dead(&self, owner: u32) -> bool {
        match self.registration() {
            Ok((registration, me)) => owner != me && registration.is_dead(owner, me),
            Err(_) => false,
        }
    }

    /// Whether nobody has the role, and the last one who had it panicked, or died before that.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.0.load(Ordering::Acquire) & (ID | POISON) == POISON
    }

    /// Whether this process still has the role that it claimed by this id. Not so in a fork child, which has a copy of
    /// what holds the claim; nor where a peer wrote something else into the word.
    #[inline(always)]
    pub(crate) fn is_held_by(&self, me: u32) -> bool {
        self.is_mine(me) && self.0.load(Ordering::Relaxed) & ID == me
    }

    /// This process's registration in the segment, and its id.
    fn registration(&self) -> Result<(&Registration, u32), ShmError> {
        // SAFETY: invariant 1; the registration is used no longer than `self` is borrowed.
        let Some(registration) = (unsafe { Registration::at(self.address()) }) else {
            // No handle that may write leads to a word without a registration.
            let error = SysError::new("claiming", Errno::ENOENT);
            return Err(ShmError::from(error).named(ANONYMOUS));
        };
        let me = match id_at(self.address()) {
            // After a fork.
            0 => registration
                .join(Deadline::after(Duration::ZERO))
                .map_err(|error| error.named(registration.shown()))?,
            me => me,
        };
        Ok((registration, me))
    }

    /// Releases what this process has claimed. In a fork child of the owner, which has a copy of the guard and not the
    /// claim, this does nothing.
    #[inline]
    pub(crate) fn release(&self, me: u32, poison: bool) {
        if self.is_mine(me) {
            word::release(&self.0, me, poison, &Futex);
        }
    }

    /// Whether this process is the one that has claimed as `me`: not so in a fork child of that one. It does not look at
    /// the word.
    #[inline(always)]
    pub(crate) fn is_mine(&self, me: u32) -> bool {
        id_at(self.address()) == me
    }

    #[inline(always)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// One wait: its clock, and whom to ask.
struct ClaimWait<'a> {
    registration: &'a Registration,
    me: u32,
    slices: SlicedWait,
}

impl<'a> ClaimWait<'a> {
    fn new(registration: &'a Registration, me: u32, timeout: Timeout) -> Self {
        Self {
            registration,
            me,
            slices: SlicedWait::until(timeout.deadline()),
        }
    }
}

impl ClaimEnv for ClaimWait<'_> {
    fn spins(&self) -> u32 {
        self.slices.spins()
    }

    fn next_step(&mut self) -> WaitStep {
        self.slices.next_step()
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        self.registration.is_dead(owner, self.me)
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.slices.sleep(word, seen);
    }
}

impl WakeOne for ClaimWait<'_> {
    fn wake(&self, word: &AtomicU32) {
        Futex.wake(word);
    }
}

/// Wakes by the kernel's futex.
struct Futex;

impl WakeOne for Futex {
    fn wake(&self, word: &AtomicU32) {
        futex::wake_one(word);
    }
}
