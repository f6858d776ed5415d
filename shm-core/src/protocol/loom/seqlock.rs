//! The steps of a `SeqLock` under loom. Bounds: three slots of two words; up to three commits by up to two writers, and one
//! reader; three forced preemptions. The value of version `n` is `n` in both words, so half a value, an old one and a wrong
//! one are all detected.

use std::convert::Infallible;
use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::thread;

use crate::access::ReadOnly;
use crate::primitive::Ordering;
use crate::primitive::Ordering::{Acquire, Relaxed, Release};
use crate::primitive::model::fence;
use crate::protocol::claim_word as word;
use crate::protocol::eventcount::{WakeAll, notify_fenced};
use crate::protocol::loom::eventcount::UntilWoken;
use crate::protocol::loom::{FutexQueue, check, mutant_deadlocks, mutant_fails};
use crate::protocol::seqlock::{self as protocol, Correct, Mutations};
use crate::protocol::wait::WaitStep;

const SLOTS: usize = 3;

/// A segment, and the kernel's side.
struct Shared<S> {
    claim: AtomicU32,
    version: AtomicU64,
    changed: AtomicU32,
    slots: [[AtomicU64; 2]; SLOTS],
    /// Whether the first writer is alive.
    lives: AtomicU32,
    queue: FutexQueue,
    /// What else the writer does before it commits.
    work: UnsafeCell<u32>,
    mutations: PhantomData<S>,
}

impl<S: Mutations> Shared<S> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            claim: AtomicU32::new(0),
            version: AtomicU64::new(0),
            changed: AtomicU32::new(0),
            slots: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            lives: AtomicU32::new(1),
            queue: FutexQueue::new(),
            work: UnsafeCell::new(0),
            mutations: PhantomData,
        })
    }

    /// Commits the next value. The caller holds the role.
    fn commit(&self) {
        let next = protocol::current(&self.version) + 1;
        let committed = protocol::commit::<S, _, Infallible>(&self.version, SLOTS, |slot| {
            for word in &self.slots[slot] {
                word.store(next, Relaxed);
            }
            Ok(())
        });
        assert_eq!(committed, Ok((next, ())));
        notify_fenced(&self.changed, self);
    }

    /// One attempt to read. A value that counts as whole has to be whole.
    fn read(&self) -> Option<u64> {
        let copy = |slot: usize| self.slots[slot].each_ref().map(|word| word.load(Relaxed));
        let (version, value) = protocol::try_read::<S, _>(&self.version, SLOTS, copy)?;
        assert_eq!(value, [version; 2]);
        Some(version)
    }
}

impl<S> WakeAll for Shared<S> {
    fn wake_all(&self, _: &AtomicU32) {
        self.queue.wake_all();
    }
}

/// A process that claims the writer's role, and probes the first writer once.
struct Successor<'a, S> {
    shared: &'a Shared<S>,
    probe: Ordering,
    looked: bool,
}

impl<S> word::ClaimEnv for Successor<'_, S> {
    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        if std::mem::replace(&mut self.looked, true) {
            WaitStep::FinalProbe
        } else {
            WaitStep::Probe
        }
    }

    fn is_dead(&mut self, _: u32) -> bool {
        self.shared.lives.load(self.probe) == 0
    }

    fn sleep(&mut self, _: &AtomicU32, _: u32) {}
}

impl<S> word::WakeOne for Successor<'_, S> {
    /// Nobody sleeps on the role.
    fn wake(&self, _: &AtomicU32) {}
}

/// A reader, and as many commits as it takes to reach the slot that the reader began with.
fn overtaken<S: Mutations + Send + Sync + 'static>() {
    check(3, || {
        let shared = Shared::<S>::new();
        let reader = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || (shared.read(), shared.read()))
        };
        for _ in 0..SLOTS {
            shared.commit();
        }
        let (first, second) = reader.join().unwrap();
        assert!(first.is_none() || second.is_none() || first <= second);
        assert_eq!(
            shared.read(),
            Some(SLOTS as u64),
            "alone, every try succeeds"
        );
    });
}

/// A reader, and two successive writers: the second one sees the first one's writes by the hand-over of the role. (Starting a
/// thread orders as a claim does.)
fn handed_on<S: Mutations + Send + Sync + 'static>() {
    check(3, || {
        let shared = Shared::<S>::new();
        let reader = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.read())
        };
        for _ in 1..SLOTS {
            shared.commit();
        }
        let second = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.commit())
        };
        reader.join().unwrap();
        second.join().unwrap();
        assert_eq!(shared.read(), Some(SLOTS as u64));
    });
}

/// A writer dies when half a value is in the slot. Another one takes over and commits, and a reader reads.
fn death<S: Mutations + Send + Sync + 'static>(probe: Ordering) {
    check(3, move || {
        let shared = Shared::<S>::new();
        assert!(word::claim_free(&shared.claim, 1));
        let reader = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.read())
        };
        let successor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut env = Successor {
                    shared: &*shared,
                    probe,
                    looked: false,
                };
                let claimed = word::claim(&shared.claim, 2, &mut env).is_some();
                if claimed {
                    shared.commit();
                }
                claimed
            })
        };
        // The successor has to find this commit, and must not repeat it.
        shared.commit();
        S::before_write();
        shared.slots[2][0].store(9, Relaxed);
        shared.lives.store(0, Release);
        reader.join().unwrap();
        let claimed = successor.join().unwrap();
        assert_eq!(shared.read(), Some(if claimed { 2 } else { 1 }));
    });
}

/// A waiter that sleeps until the commit wakes it.
fn waiting<S: Mutations + Send + Sync + 'static>() {
    check(3, || {
        let shared = Shared::<S>::new();
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut env = UntilWoken(&shared.queue);
                let (version, changed) = (&shared.version, &shared.changed);
                let found = protocol::wait_newer::<S, _>(version, changed, &mut env, 0);
                // The newer value can also be read.
                let read = shared.read().unwrap();
                assert!(Some(read) >= found, "{read} {found:?}");
            })
        };
        shared.commit();
        waiter.join().unwrap();
    });
}

/// An observer of the version alone, with or without a wait, sees what the writer did before its commit.
fn looking<S: Mutations + Send + Sync + 'static>(waits: bool) {
    check(3, move || {
        let shared = Shared::<S>::new();
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (version, changed) = (&shared.version, &shared.changed);
                let found = if waits {
                    let mut env = UntilWoken(&shared.queue);
                    protocol::wait_newer::<S, _>(version, changed, &mut env, 0)
                } else {
                    Some(protocol::latest::<S>(version))
                };
                assert!(!waits || found == Some(1));
                if found == Some(1) {
                    // SAFETY: the commit has been seen; loom checks that this is enough.
                    shared.work.with(|work| assert_eq!(unsafe { *work }, 1));
                }
            })
        };
        // SAFETY: no other thread reads it before the commit; loom checks that.
        shared.work.with_mut(|work| unsafe { *work = 1 });
        shared.commit();
        looker.join().unwrap();
    });
}

#[test]
fn an_overtaken_reader_sees_whole_values_only() {
    overtaken::<Correct>();
}

#[test]
fn a_second_writer_goes_on_where_the_first_stopped() {
    handed_on::<Correct>();
}

#[test]
fn a_half_written_slot_of_the_dead_is_never_seen() {
    death::<Correct>(Acquire);
}

#[test]
fn a_commit_wakes_a_waiting_reader() {
    waiting::<Correct>();
}

#[test]
fn a_version_shows_what_came_before() {
    looking::<Correct>(false);
}

#[test]
fn waiting_for_a_version_shows_what_came_before() {
    looking::<Correct>(true);
}

#[test]
fn an_overtaken_read_only_reader_sees_whole_values_only() {
    overtaken::<Correct<ReadOnly>>();
}

#[test]
fn a_version_shows_what_came_before_read_only() {
    looking::<Correct<ReadOnly>>(false);
}

#[test]
fn waiting_for_a_version_shows_what_came_before_read_only() {
    looking::<Correct<ReadOnly>>(true);
}

mutant_fails!(a_relaxed_load_of_the_version_is_caught, looking::<Mutant>(false),
    impl Mutations for Mutant {
        const LOAD: Ordering = Relaxed;
    }
);
mutant_fails!(a_relaxed_load_of_the_version_in_a_wait_is_caught, looking::<Mutant>(true),
    impl Mutations for Mutant {
        const LOAD: Ordering = Relaxed;
    }
);
mutant_fails!(a_relaxed_begin_is_caught, overtaken::<Mutant>(),
    impl Mutations for Mutant {
        const BEGIN: Ordering = Relaxed;
    }
);
mutant_fails!(a_slot_too_many_for_readers_is_caught, overtaken::<Mutant>(),
    impl Mutations for Mutant {
        const SPARE: u64 = 0;
    }
);
mutant_fails!(a_copy_without_a_fence_behind_it_is_caught, overtaken::<Mutant>(),
    impl Mutations for Mutant {
        fn after_copy() {}
    }
);
mutant_fails!(a_write_without_a_fence_before_it_is_caught, handed_on::<Mutant>(),
    impl Mutations for Mutant {
        fn before_write() {}
    }
);
mutant_fails!(a_relaxed_publication_is_caught, overtaken::<Mutant>(),
    impl Mutations for Mutant {
        fn publish(version: &AtomicU64, value: u64) {
            version.store(value, Relaxed);
            fence(Ordering::SeqCst);
        }
    }
);

#[test]
#[should_panic]
fn a_relaxed_probe_is_caught() {
    death::<Correct>(Relaxed);
}

mutant_deadlocks!(nobody_wakes, a_publication_without_a_fence_behind_it_is_caught, waiting::<Mutant>(),
    impl Mutations for Mutant {
        fn publish(version: &AtomicU64, value: u64) {
            version.store(value, Release);
        }
    }
);
