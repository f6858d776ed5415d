//! The claim word in shared memory: the protocol connected to the system's clock, futex and locks.

use std::num::NonZeroU32;
use std::time::Duration;

use super::own_thread;
use super::participant::Registration;
use super::process::{Registered, id_at, token_at};
use super::wait::SlicedWait;
use crate::access::{Access, ReadWrite};
use crate::error::{ANONYMOUS, ShmError};
use crate::primitive::{AtomicU32, Ordering};
use crate::protocol::claim_word::{self as word, ClaimEnv, ID, WakeOne};
use crate::protocol::sightings::Question;
use crate::protocol::wait::WaitStep;
use crate::sys::clock::Deadline;
use crate::sys::{Errno, SysError, futex};

/// An exclusive role in shared memory. Zero if it is free.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct ClaimWord(
    /// # Invariants
    ///
    /// 1. In the payload of a segment whose type has claims, and borrowed no longer than its handle. This holds because
    ///    no function creates one by value: references come from the views of sync types, whose layouts are `claiming`, and from
    ///    `DynCell`s, at the places that such layouts name.
    AtomicU32,
);

/// A claim that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// The owner's id.
    pub(crate) me: u32,
    /// The registration of that id.
    pub(crate) registered: Registered,
    /// Whether a previous owner died or panicked, and the value has not been repaired since.
    pub(crate) poisoned: bool,
}

/// How long to wait for a claim.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timeout {
    /// Do not wait, and do not probe an owner that was alive a moment ago.
    Glance,
    /// Probe the owner once, but do not wait.
    Now,
    /// Wait until a point in time.
    At(Deadline),
    /// Wait as long as the owner is alive.
    Never,
}

impl Timeout {
    /// Whether the caller waits at all.
    pub(crate) const fn waits(self) -> bool {
        matches!(self, Self::At(_) | Self::Never)
    }

    /// The point in time at which the wait ends.
    pub(crate) fn deadline(self) -> Deadline {
        match self {
            Self::Glance | Self::Now => Deadline::after(Duration::ZERO),
            Self::At(deadline) => deadline,
            Self::Never => Deadline::NEVER,
        }
    }
}

/// What an observer finds in a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occupant {
    Nobody,
    /// The id of an owner that is not certainly dead.
    Alive(u32),
    /// The id of an owner that is certainly dead, and that nobody has replaced. What it did happened before the answer.
    Dead(u32),
}

/// The error of [`ClaimWord::claim`].
#[derive(Debug)]
pub(crate) enum ClaimFailed {
    /// The wait timed out, and the owner with this id is alive. 0 if it has changed just now.
    Owned(u32),
    /// This thread holds the role, so a wait would never end. Only of roles that were
    /// [recorded](ClaimWord::record_in_thread).
    WouldDeadlock,
    /// This process could not register, and without that its claim would not be protected.
    Unregistered(Box<ShmError>),
}

impl ClaimWord {
    /// Claims the role if it is free: the fast path, of a few instructions.
    #[inline(always)]
    pub(crate) fn claim_free(&self) -> Option<Held> {
        let registered = Registered::at(self.address())?;
        let me = registered.token().id();
        (me != 0 && word::claim_free(&self.0, me)).then_some(Held {
            me,
            registered,
            poisoned: false,
        })
    }

    /// Records that this thread has claimed the role, and will release it with
    /// [`release_held_in_thread`](Self::release_held_in_thread).
    #[inline(always)]
    pub(crate) fn record_in_thread(&self, registered: Registered) {
        own_thread::record(self.address(), registered.token());
    }

    /// Whether this thread holds the role and has recorded that.
    #[cold]
    fn is_held_in_thread(&self) -> bool {
        let token = token_at(self.address());
        self.is_held_by(token.id()) && own_thread::holds(self.address(), token)
    }

    /// Claims the role, waiting for its owner to release it or die. Before a timeout it probes the owner at least once.
    #[cold]
    pub(crate) fn claim(&self, timeout: Timeout) -> Result<Held, ClaimFailed> {
        let (registration, registered) = self
            .registration()
            .map_err(|error| ClaimFailed::Unregistered(Box::new(error)))?;
        let me = registered.token().id();
        if timeout.waits() && self.is_held_in_thread() {
            return Err(ClaimFailed::WouldDeadlock);
        }
        let mut waiting = ClaimWait::new(registration, me, timeout);
        match word::claim(&self.0, me, &mut waiting) {
            Some(claimed) => Ok(Held {
                me,
                registered,
                poisoned: claimed.poisoned,
            }),
            None => Err(ClaimFailed::Owned(match waiting.probed {
                // It is this process, which is not probed, or has changed just now.
                0 => self.owner_id::<ReadWrite>(),
                owner => owner,
            })),
        }
    }

    /// The id of the owner, dead or alive, or 0: one load. It acquires the last release of the role. `A` is the access of
    /// the mapping.
    #[inline(always)]
    pub(crate) fn owner_id<A: Access>(&self) -> u32 {
        word::owner(&self.0, word::LOAD, A::WRITABLE)
    }

    /// Whether a participant, which owns the role or did, is certainly dead: a few system calls, unless this process remembers
    /// its death. Everything that it did happened before this returns `true`. The caller need not be a participant itself.
    pub(crate) fn is_dead(&self, owner: u32) -> bool {
        self.probe(owner, Question::Now)
    }

    /// [`is_dead`](Self::is_dead), without a system call if this process found the participant alive less than a tick ago.
    pub(crate) fn is_known_dead(&self, owner: u32) -> bool {
        self.probe(owner, Question::Recently)
    }

    #[cold]
    fn probe(&self, owner: u32, question: Question) -> bool {
        let address = self.address();
        // SAFETY: invariant 1, and the registration is not used longer than `self` is borrowed.
        let Some(registration) = (unsafe { Registration::at(address) }) else {
            return false;
        };
        let me = id_at(address);
        owner != me && registration.is_dead(owner, me, question)
    }

    /// The occupant of the role, through a mapping of access `A`: a load, and a few system calls if there is an owner.
    #[cold]
    pub(crate) fn occupant<A: Access>(&self) -> Occupant {
        let owner = self.owner_id::<A>();
        if owner == 0 {
            return Occupant::Nobody;
        }
        if !self.is_dead(owner) {
            return Occupant::Alive(owner);
        }
        // It may have released the role before it died.
        match self.owner_id::<A>() {
            0 => Occupant::Nobody,
            now if now == owner => Occupant::Dead(owner),
            // It has just claimed the role.
            now => Occupant::Alive(now),
        }
    }

    /// The pid of a participant, as it sees itself: see [`Registration::pid`].
    #[cold]
    pub(crate) fn pid(&self, id: u32) -> Option<NonZeroU32> {
        let address = self.address();
        // SAFETY: invariant 1, and the registration is not used longer than `self` is borrowed.
        let registration = unsafe { Registration::at(address) };
        registration?.pid(id, id_at(address))
    }

    /// Whether a process is stopped, as far as /proc tells.
    #[cold]
    pub(crate) fn is_stopped(&self, pid: NonZeroU32) -> bool {
        // SAFETY: invariant 1, and the registration is not used longer than `self` is borrowed.
        let registration = unsafe { Registration::at(self.address()) };
        registration.is_some_and(|registration| registration.is_stopped(pid))
    }

    /// Whether the role is free, and an owner has died or panicked without a later one repairing the value.
    pub(crate) fn is_poisoned<A: Access>(&self) -> bool {
        word::is_poisoned(&self.0, word::LOAD, A::WRITABLE)
    }

    /// Whether this process still owns the role that it claimed as `me`. Returns `false` in a fork child, which has a copy
    /// of the guard, and if a peer has overwritten the word.
    #[inline(always)]
    pub(crate) fn is_held_by(&self, me: u32) -> bool {
        self.is_mine(me) && self.0.load(Ordering::Relaxed) & ID == me
    }

    /// This process's registration in the segment, with its id.
    fn registration(&self) -> Result<(&Registration, Registered), ShmError> {
        let address = self.address();
        // Cannot happen: every handle of a segment with claims has a registration.
        let missing = || {
            let error = SysError::new("claiming", Errno::ENOENT);
            ShmError::from(error).named(ANONYMOUS)
        };
        // SAFETY: invariant 1, and the registration is returned for no longer than `self` is borrowed.
        let registration = unsafe { Registration::at(address) }.ok_or_else(missing)?;
        if id_at(address) == 0 {
            // After a fork.
            registration
                .join(Deadline::after(Duration::ZERO))
                .map_err(|error| error.named(registration.shown()))?;
        }
        let registered = Registered::at(address).ok_or_else(missing)?;
        Ok((registration, registered))
    }

    /// Releases the role if the registration that claimed it is current. In a fork child of the owner, which has a copy of the
    /// guard but not the claim, this does nothing. Returns whether it did anything.
    #[inline(always)]
    pub(crate) fn release_held(&self, registered: Registered) -> bool {
        let mine = registered.is_current();
        if mine {
            word::release(&self.0, registered.token().id(), false, &Futex);
        }
        mine
    }

    /// [`release_held`](Self::release_held) for a role that was [recorded](Self::record_in_thread). `poison` marks the protected
    /// value as possibly half written.
    #[inline(always)]
    pub(crate) fn release_held_in_thread(&self, registered: Registered, poison: bool) {
        if registered.is_current() {
            own_thread::erase(self.address());
            word::release(&self.0, registered.token().id(), poison, &Futex);
        }
    }

    /// Releases the role if this process claimed it as `me`. In a fork child of the owner, which has a copy of the guard but
    /// not the claim, this does nothing.
    #[inline]
    pub(crate) fn release(&self, me: u32, poison: bool) {
        if self.is_mine(me) {
            word::release(&self.0, me, poison, &Futex);
        }
    }

    /// Whether this process has the id `me`, which its fork children do not. Does not read the word.
    #[inline(always)]
    pub(crate) fn is_mine(&self, me: u32) -> bool {
        id_at(self.address()) == me
    }

    #[inline(always)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// The environment of one wait: its clock, and the registration for probes.
struct ClaimWait<'a> {
    registration: &'a Registration,
    me: u32,
    /// `None` if the caller does not wait. It needs no clock.
    slices: Option<SlicedWait>,
    has_looked: bool,
    /// What the probe of this round has to find out.
    question: Question,
    /// The owner that was probed last, or 0.
    probed: u32,
}

impl<'a> ClaimWait<'a> {
    fn new(registration: &'a Registration, me: u32, timeout: Timeout) -> Self {
        let (slices, question) = match timeout {
            Timeout::Glance => (None, Question::Recently),
            Timeout::Now => (None, Question::Now),
            Timeout::At(_) | Timeout::Never => {
                let slices = SlicedWait::for_claim(timeout.deadline());
                (Some(slices), Question::Recently)
            }
        };
        Self {
            registration,
            me,
            slices,
            has_looked: false,
            question,
            probed: 0,
        }
    }
}

impl ClaimEnv for ClaimWait<'_> {
    fn spins(&self) -> u32 {
        self.slices.as_ref().map_or(0, SlicedWait::spins)
    }

    fn next_step(&mut self) -> WaitStep {
        let Some(slices) = &mut self.slices else {
            return WaitStep::FinalProbe;
        };
        let step = slices.next_step();
        // The look before the first sleep must not make contended claims slower. Another probe follows it.
        let is_first_look = step == WaitStep::Probe && !self.has_looked;
        self.has_looked = true;
        if is_first_look && !self.registration.allow_short_sleep() {
            slices.skip_second_look();
        }
        self.question = if is_first_look {
            Question::Recently
        } else {
            Question::Now
        };
        step
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        self.probed = owner;
        self.registration.is_dead(owner, self.me, self.question)
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        if let Some(slices) = &mut self.slices {
            slices.sleep(word, seen);
        }
    }
}

impl WakeOne for ClaimWait<'_> {
    fn wake(&self, word: &AtomicU32) {
        Futex.wake(word);
    }
}

/// Wakes waiters through the kernel's futex.
struct Futex;

impl WakeOne for Futex {
    fn wake(&self, word: &AtomicU32) {
        futex::wake_one(word);
    }
}
