//! The models of the protocols, and what they share: loom's bounds, the kernel's side of a futex, and mutants.
//!
//! Loom runs a model in every order of steps, and with every value that the memory model allows a load, up to a number of forced
//! preemptions. A **mutant** is a model with one wrong step, which must fail: this shows that the model would notice.
//! Processes are threads. A death is a thread that stores to its lock cell with `Release` and stops; a probe loads that cell
//! with `Acquire`, as the kernel's lock does.

mod barrier;
mod broadcast;
mod claim_word;
mod counter;
mod event;
mod eventcount;
mod interrupts;
mod liveness;
mod ring;
mod semaphore;
mod seqlock;
mod sightings;

use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::sync::{Condvar, Mutex};

use crate::primitive::Ordering;
use crate::protocol::barrier::BarrierWords;
use crate::protocol::claim_word::{ClaimEnv, WakeOne};
use crate::protocol::counter::WakeSome;
use crate::protocol::event::{EventWait, EventWaker, WaitRounds};
use crate::protocol::eventcount::{WaitEnv, WakeAll};
use crate::protocol::liveness::PeerState;
use crate::protocol::wait::WaitStep;

/// Runs a model with this many forced preemptions.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Implements the traits of the protocols without changing a constant. Models take the crate's own orderings and steps from
/// here, so a mistake in one of them makes a correct model fail.
pub(crate) enum Product {}

impl WakeOne for Product {
    fn wake(&self, _: &AtomicU32) {
        match *self {}
    }
}

impl ClaimEnv for Product {
    fn spins(&self) -> u32 {
        match *self {}
    }

    fn next_step(&mut self) -> WaitStep {
        match *self {}
    }

    fn is_dead(&mut self, _: u32) -> bool {
        match *self {}
    }

    fn sleep(&mut self, _: &AtomicU32, _: u32) {
        match *self {}
    }
}

impl WaitEnv for Product {
    fn spins(&self) -> u32 {
        match *self {}
    }

    fn next_step(&mut self) -> WaitStep {
        match *self {}
    }

    fn sleep(&mut self, _: &AtomicU32, _: u32) {
        match *self {}
    }
}

impl WakeAll for Product {
    fn wake_all(&self, _: &AtomicU32) {
        match *self {}
    }
}

impl WakeSome for Product {
    fn wake_up_to(&self, _: &AtomicU32, _: u32) -> u32 {
        match *self {}
    }
}

impl EventWait for Product {
    fn announces(&self) -> bool {
        match *self {}
    }

    fn spins(&self) -> u32 {
        match *self {}
    }

    fn next_step(&mut self) -> WaitStep {
        match *self {}
    }

    fn sleep(&mut self, _: &AtomicU64, _: u32) {
        match *self {}
    }
}

impl EventWaker for Product {
    fn wakes_unasked(&self, _: &AtomicU64) -> bool {
        match *self {}
    }

    fn wake_one(&self, _: &AtomicU64) -> bool {
        match *self {}
    }

    fn wake_all(&self, _: &AtomicU64) {
        match *self {}
    }
}

impl WaitRounds for Product {
    type Env = Self;

    fn next(&mut self) -> Option<Self> {
        match *self {}
    }
}

impl PeerState for Product {
    fn joined(&self) -> &AtomicU32 {
        match *self {}
    }

    fn owner(&self) -> u32 {
        match *self {}
    }

    fn is_dead(&self, _: u32) -> bool {
        match *self {}
    }
}

impl BarrierWords for Product {
    fn round(&self) -> &AtomicU32 {
        match *self {}
    }

    fn seats(&self) -> usize {
        match *self {}
    }

    fn arrived(&self, _: usize) -> &AtomicU32 {
        match *self {}
    }

    fn is_dead(&self, _: usize) -> bool {
        match *self {}
    }
}

/// The kernel's queue behind one word. For a process that wakes, comparing and falling asleep are one step.
pub(crate) struct FutexQueue {
    asleep: Mutex<u32>,
    sleepers: Condvar,
}

impl FutexQueue {
    pub(crate) fn new() -> Self {
        Self {
            asleep: Mutex::new(0),
            sleepers: Condvar::new(),
        }
    }

    pub(crate) fn sleep(&self, word: &AtomicU32, seen: u32) {
        self.sleep_if(|| word.load(Ordering::Relaxed) == seen);
    }

    /// Sleeps if the word is as it was seen.
    pub(crate) fn sleep_if(&self, is_unchanged: impl FnOnce() -> bool) {
        let mut asleep = self.asleep.lock().unwrap();
        if is_unchanged() {
            *asleep += 1;
            drop(self.sleepers.wait(asleep).unwrap());
        }
    }

    /// Wakes up to `count` sleepers, and returns how many.
    pub(crate) fn wake(&self, count: u32) -> u32 {
        let mut asleep = self.asleep.lock().unwrap();
        let woken = count.min(*asleep);
        *asleep -= woken;
        for _ in 0..woken {
            self.sleepers.notify_one();
        }
        woken
    }

    pub(crate) fn wake_all(&self) {
        self.wake(u32::MAX);
    }
}

/// The steps of a wait.
pub(crate) enum Schedule {
    /// Sleep until woken.
    UntilWoken,
    /// Probe this many times, then give up.
    Probes(u32),
    /// Probe once, then sleep until woken.
    ProbeFirst,
}

impl Schedule {
    pub(crate) fn next(&mut self) -> WaitStep {
        match self {
            Self::UntilWoken => WaitStep::Sleep,
            Self::ProbeFirst => {
                *self = Self::UntilWoken;
                WaitStep::Probe
            }
            Self::Probes(0) => WaitStep::FinalProbe,
            Self::Probes(left) => {
                *left -= 1;
                WaitStep::Probe
            }
        }
    }
}

/// A mutant that panics, or whose data race loom reports. The items implement the model's traits for `Mutant`.
macro_rules! mutant_fails {
    ($name:ident, $model:expr, $($mutation:item)+) => {
        #[test]
        #[should_panic]
        fn $name() {
            struct Mutant;
            $($mutation)+
            $model;
        }
    };
}

/// A mutant in which no thread can go on. Loom ends the process then, so the model runs in a process of its own: the first test
/// is ignored, and the second one runs it and expects the deadlock.
macro_rules! mutant_deadlocks {
    ($model_name:ident, $caught:ident, $model:expr, $($mutation:item)+) => {
        #[test]
        #[ignore = "mutant_deadlocks: another test runs it in a process of its own and expects that"]
        fn $model_name() {
            struct Mutant;
            $($mutation)+
            $model;
        }

        #[test]
        fn $caught() {
            let (_, module) = module_path!().split_once("::").unwrap();
            $crate::protocol::loom::assert_deadlock(&format!("{module}::{}", stringify!($model_name)));
        }
    };
}

pub(crate) use {mutant_deadlocks, mutant_fails};

/// Runs an ignored test in a process of its own, and expects a deadlock.
pub(crate) fn assert_deadlock(test: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("deadlock"), "{text}");
}
