//! What the models of the protocols have in common: loom's bounds, the kernel's side of a futex, and tests that expect a
//! model to fail.

mod barrier;
mod broadcast;
mod claim_word;
mod counter;
mod event;
mod eventcount;
mod liveness;
mod ring;
mod semaphore;
mod seqlock;

use loom::sync::atomic::AtomicU32;
use loom::sync::{Condvar, Mutex};

use crate::primitive::Ordering;
use crate::protocol::wait::WaitStep;

/// Runs a model with this many forced preemptions.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// The kernel's queue behind one word. Comparing and falling asleep are one step to who wakes.
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
        let mut asleep = self.asleep.lock().unwrap();
        if word.load(Ordering::Relaxed) == seen {
            *asleep += 1;
            drop(self.sleepers.wait(asleep).unwrap());
        }
    }

    /// Wakes up to `count`, and says how many.
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

/// What the rounds of a wait are for.
pub(crate) enum Schedule {
    /// To sleep until woken: only a wake-up gets on who waits so.
    UntilWoken,
    /// To look at others' lives so many times, and then to give up.
    Probes(u32),
}

impl Schedule {
    pub(crate) fn next(&mut self) -> WaitStep {
        match self {
            Self::UntilWoken => WaitStep::Sleep,
            Self::Probes(0) => WaitStep::FinalProbe,
            Self::Probes(left) => {
                *left -= 1;
                WaitStep::Probe
            }
        }
    }
}

/// A model that differs from one that passes in a single step, and fails for it. The items make `Mutant` what differs.
macro_rules! mutant_fails {
    ($name:ident, $model:expr, $($broken:item)+) => {
        #[test]
        #[should_panic]
        fn $name() {
            struct Mutant;
            $($broken)+
            $model;
        }
    };
}

/// The same where nobody gets on. There loom ends the process, so the model is played in one of its own: by a test that is
/// only run from the one that expects its end.
macro_rules! mutant_deadlocks {
    ($played:ident, $caught:ident, $model:expr, $($broken:item)+) => {
        #[test]
        #[ignore = "mutant_fails, as it should: it is played in a process of its own by the test that expects that"]
        fn $played() {
            struct Mutant;
            $($broken)+
            $model;
        }

        #[test]
        fn $caught() {
            let (_, module) = module_path!().split_once("::").unwrap();
            $crate::protocol::loom::assert_stuck(&format!("{module}::{}", stringify!($played)));
        }
    };
}

pub(crate) use {mutant_deadlocks, mutant_fails};

/// Runs an ignored test in a process of its own, in which nobody should get on.
pub(crate) fn assert_stuck(test: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("deadlock"), "{text}");
}
