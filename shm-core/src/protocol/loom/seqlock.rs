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
use crate::primitive::model::{CommitOrder, fence, fence_after_exchange};
use crate::protocol::claim_word as word;
use crate::protocol::eventcount::{WaitEnv, WakeAll, notify_published};
use crate::protocol::loom::eventcount::UntilWoken;
use crate::protocol::loom::interrupts::{Interrupts, Registered};
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
    /// The writer's thread, if it is registered.
    interrupts: Interrupts,
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
            interrupts: Interrupts::new(),
            mutations: PhantomData,
        })
    }

    /// Commits the next value. The caller holds the role.
    fn commit(&self) {
        self.publish(CommitOrder::Fenced);
        notify_published(&self.changed, self);
    }

    fn publish(&self, order: CommitOrder) {
        let next = protocol::current(&self.version) + 1;
        let write = |slot: usize| {
            for word in &self.slots[slot] {
                word.store(next, Relaxed);
            }
            Ok(())
        };
        let committed = protocol::commit::<S, _, Infallible>(&self.version, SLOTS, order, write);
        assert_eq!(committed, Ok((next, ())));
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

/// How a writer commits and releases the role at once, and whether a waiter interrupts it.
#[derive(Clone, Copy)]
enum Store {
    Fenced,
    /// A mutant.
    Unfenced,
    Registered {
        interrupted: bool,
    },
}

/// A writer that commits once.
struct Writer<'a> {
    queue: &'a FutexQueue,
    store: Store,
    thread: Registered<'a>,
}

impl word::WakeOne for Writer<'_> {
    /// Nobody sleeps on the role.
    fn wake(&self, _: &AtomicU32) {}
}

impl WakeAll for Writer<'_> {
    fn order(&self) -> CommitOrder {
        match self.store {
            Store::Registered { .. } => CommitOrder::Registered,
            Store::Fenced | Store::Unfenced => CommitOrder::Fenced,
        }
    }

    fn order_program(&self) {
        self.thread.poll();
    }

    fn wake_all(&self, _: &AtomicU32) {
        self.queue.wake_all();
    }
}

/// A waiter that may interrupt the writer before it sleeps.
struct Interrupter<'a> {
    wait: UntilWoken<'a>,
    writer: &'a Interrupts,
    interrupts: bool,
}

impl WaitEnv for Interrupter<'_> {
    fn interrupts(&self) -> bool {
        self.interrupts
    }

    fn interrupt(&mut self) -> bool {
        self.writer.interrupt();
        true
    }

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        WaitStep::Sleep
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.wait.sleep(word, seen);
    }
}

/// A waiter, and a writer that stores: it releases the role before it checks for sleepers.
fn storing(store: Store) {
    check(3, move || {
        let shared = Shared::<Correct>::new();
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut env = Interrupter {
                    wait: UntilWoken(&shared.queue),
                    writer: &shared.interrupts,
                    interrupts: matches!(store, Store::Registered { interrupted: true }),
                };
                let (version, changed) = (&shared.version, &shared.changed);
                let found = protocol::wait_newer::<Correct, _>(version, changed, &mut env, 0);
                assert_eq!(found, Some(1));
            })
        };
        let writer = Writer {
            queue: &shared.queue,
            store,
            thread: shared.interrupts.register(),
        };
        assert!(word::claim_free(&shared.claim, 1));
        shared.publish(CommitOrder::Registered);
        word::release(&shared.claim, 1, false, &writer);
        if let Store::Fenced = store {
            fence_after_exchange();
        }
        notify_published(&shared.changed, &writer);
        drop(writer);
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
fn a_store_that_releases_the_role_wakes_a_waiting_reader() {
    storing(Store::Fenced);
}

#[test]
fn a_store_of_a_registered_writer_wakes_a_reader() {
    storing(Store::Registered { interrupted: true });
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
        fn publish(version: &AtomicU64, value: u64, _: CommitOrder) {
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
        fn publish(version: &AtomicU64, value: u64, _: CommitOrder) {
            version.store(value, Release);
        }
    }
);
mutant_deadlocks!(stores_without_a_fence, a_store_without_a_fence_after_the_release_is_caught, storing(Store::Unfenced),
    impl Mutations for Mutant {}
);
mutant_deadlocks!(stores_uninterrupted, a_store_of_a_registered_writer_without_interrupt_is_caught,
    storing(Store::Registered { interrupted: false }),
    impl Mutations for Mutant {}
);
