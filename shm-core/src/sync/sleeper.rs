//! Sleeping and waking on an eventcount, with the system's clock and futex.

use crate::access::Access;
use crate::claim::wait::SlicedWait;
use crate::claim::{membarrier, reader_wakes};
use crate::primitive::model::CommitOrder;
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::counter::WakeSome;
use crate::protocol::event::{EventWait, EventWaker};
use crate::protocol::eventcount::{WAITERS, WaitEnv, WakeAll, notify_published};
use crate::protocol::wait::WaitStep;
use crate::sync::pace::WordPace;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// The clock and the futex of one wait.
#[derive(Debug)]
pub(super) struct Sleeper {
    slices: SlicedWait,
    announces: bool,
    has_spun: bool,
    pace: Option<WordPace>,
    /// Whether processes that commit may be registered.
    interrupts: bool,
    /// The bit by which the waiter may announce that it is patient, and whether it is.
    patience: (u32, bool),
}

impl Sleeper {
    /// For a waiter that can announce itself, and so is woken.
    pub(super) fn until(deadline: Deadline) -> Self {
        Self {
            slices: SlicedWait::until(deadline),
            announces: true,
            has_spun: false,
            pace: None,
            interrupts: false,
            patience: (0, false),
        }
    }

    /// For a waiter whose mapping is `A`. Through a read-only one it cannot announce itself: it polls, and is woken only when
    /// another waiter announced itself.
    pub(super) fn through<A: Access>(deadline: Deadline) -> Self {
        if A::WRITABLE {
            return Self::until(deadline);
        }
        Self {
            slices: SlicedWait::polling(deadline),
            announces: false,
            has_spun: false,
            pace: None,
            interrupts: false,
            patience: (0, false),
        }
    }

    /// The same wait for what registered processes change: see [`eventcount`](crate::protocol::eventcount).
    pub(super) fn for_commits(self) -> Self {
        Self {
            interrupts: self.announces,
            ..self
        }
    }

    /// The same wait, for a waiter that may be patient, which it announces by `bit`. If it is, the first sleep is a short one, and
    /// after that it is so no more.
    pub(super) fn with_patience(mut self, bit: u32, patient: bool) -> Self {
        self.patience = (bit, patient);
        if patient {
            self.slices.shorten();
        }
        self
    }

    /// The same wait, which spins as long as earlier waits on this word suggest.
    pub(super) fn paced_by<W>(self, word: &W) -> Self {
        Self {
            pace: Some(WordPace::of(word)),
            ..self
        }
    }

    /// The same wait for a caller that has already spun.
    pub(super) fn without_spinning(self) -> Self {
        Self {
            has_spun: true,
            ..self
        }
    }
}

impl WaitEnv for Sleeper {
    fn announces(&self) -> bool {
        self.announces
    }

    fn announcement(&self) -> u32 {
        match self.patience {
            (bit, true) => WAITERS | bit,
            _ => WAITERS,
        }
    }

    fn retraction(&self) -> u32 {
        match self.patience {
            (bit, false) => bit,
            _ => 0,
        }
    }

    fn interrupts(&self) -> bool {
        // A patient one checks again soon in any case, which is cheaper.
        self.interrupts && !self.patience.1
    }

    fn interrupt(&mut self) -> bool {
        membarrier::interrupt()
    }

    fn check_soon(&mut self) {
        self.slices.shorten();
    }

    fn spins(&self) -> u32 {
        match self.pace {
            _ if self.has_spun => 0,
            Some(pace) if self.slices.spins() > 0 => pace.spins(),
            _ => self.slices.spins(),
        }
    }

    fn spun(&mut self, succeeded: bool) {
        if let Some(pace) = self.pace
            && self.slices.spins() > 0
        {
            pace.record(succeeded);
        }
    }

    fn next_step(&mut self) -> WaitStep {
        let step = self.slices.next_step();
        if step != WaitStep::Sleep {
            self.patience.1 = false;
        }
        step
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.slices.sleep(word, seen);
    }
}

/// Wakes by the kernel's futex, on a word on which only writable handles sleep.
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

/// Wakes by the kernel's futex, on a word on which read-only handles sleep too. They cannot announce themselves, so in a segment
/// that was created for it they are woken unasked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReaderFutex;

impl WakeAll for ReaderFutex {
    #[inline(always)]
    fn wakes_unasked(&self, word: &AtomicU32) -> bool {
        reader_wakes::are_due(word)
    }

    fn wake_all(&self, word: &AtomicU32) {
        Futex.wake_all(word);
    }
}

/// The half of an event's word that processes sleep on. Only its address is used, by the kernel: half a word must not be accessed.
fn lower_half(word: &AtomicU64) -> &AtomicU32 {
    let halves = word.as_ptr().cast::<AtomicU32>();
    let number = usize::from(cfg!(target_endian = "big"));
    // SAFETY: within the word.
    let half = unsafe { halves.add(number) };
    // SAFETY: the half is aligned, and as long as the word is borrowed it is in memory that may change. It is not accessed, so
    // there is no access of another width than the word's.
    unsafe { &*half }
}

impl EventWait for Sleeper {
    fn announces(&self) -> bool {
        self.announces
    }

    fn spins(&self) -> u32 {
        WaitEnv::spins(self)
    }

    fn spun(&mut self, succeeded: bool) {
        WaitEnv::spun(self, succeeded);
    }

    fn next_step(&mut self) -> WaitStep {
        WaitEnv::next_step(self)
    }

    fn sleep(&mut self, word: &AtomicU64, seen: u32) {
        WaitEnv::sleep(self, lower_half(word), seen);
    }
}

impl EventWaker for ReaderFutex {
    #[inline(always)]
    fn wakes_unasked(&self, word: &AtomicU64) -> bool {
        reader_wakes::are_due(lower_half(word))
    }

    fn wake_one(&self, word: &AtomicU64) -> bool {
        futex::wake_one(lower_half(word))
    }

    fn wake_all(&self, word: &AtomicU64) {
        futex::wake_all(lower_half(word));
    }
}

/// Wakes all processes that wait for a commit which the caller has just published in this order.
#[inline(always)]
pub(super) fn notify_readers(word: &AtomicU32, order: CommitOrder) {
    notify_published(word, Committing(ReaderFutex, order));
}

/// Wakes as `F` does, after commits in this order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committing<F>(pub(super) F, pub(super) CommitOrder);

impl<F: WakeAll> WakeAll for Committing<F> {
    #[inline(always)]
    fn order(&self) -> CommitOrder {
        self.1
    }

    #[inline(always)]
    fn wakes_unasked(&self, word: &AtomicU32) -> bool {
        self.0.wakes_unasked(word)
    }

    fn wake_all(&self, word: &AtomicU32) {
        self.0.wake_all(word);
    }
}
