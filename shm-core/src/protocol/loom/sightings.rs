//! Sightings under loom. Bounds: one owner, which works and dies, and two threads of one process that ask once each; three forced
//! preemptions.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::loom::{check, mutant_fails};
use crate::protocol::sightings::{Correct, Orderings, Question, Sightings};

/// The owner's work, whether it is alive, and what the observers' process remembers.
struct Shared {
    work: UnsafeCell<u32>,
    lives: AtomicU32,
    sightings: Sightings,
}

impl Shared {
    /// Sees the owner's work if it is dead.
    fn ask<O: Orderings>(&self, may_probe: bool) {
        let probe = || may_probe && self.lives.load(Ordering::Acquire) == 0;
        if self.sightings.is_dead::<O>(1, Question::Now, 5, probe) {
            // SAFETY: the owner is dead; loom checks that this orders its work before.
            self.work.with(|work| assert_eq!(unsafe { *work }, 1));
        }
    }
}

/// One thread probes and records a death, which the other may only recall.
fn recall<O: Orderings>() {
    check(3, || {
        let shared = Arc::new(Shared {
            work: UnsafeCell::new(0),
            lives: AtomicU32::new(1),
            sightings: Sightings::new(),
        });
        let [prober, recaller] = [true, false].map(|may_probe| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.ask::<O>(may_probe))
        });
        // SAFETY: no other thread reads it before the owner's end; loom checks that.
        shared.work.with_mut(|work| unsafe { *work = 1 });
        shared.lives.store(0, Ordering::Release);
        prober.join().unwrap();
        recaller.join().unwrap();
    });
}

#[test]
fn a_recalled_death_shows_what_the_dead_did() {
    recall::<Correct>();
}

mutant_fails!(recording_relaxed_is_caught, recall::<Mutant>(),
    impl Orderings for Mutant {
        const RECORD: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(recalling_relaxed_is_caught, recall::<Mutant>(),
    impl Orderings for Mutant {
        const RECALL: Ordering = Ordering::Relaxed;
    }
);
