//! The event under loom. Bounds: up to three threads and two notifications; three forced preemptions. Waiters check again
//! only when they are woken, so the end of a slice cannot hide a lost wake-up.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::event::{
    self as protocol, Mutations, WaitOutcome, WaitRounds, generation, notify_all, notify_one,
    wait_or_check, wait_until,
};
use crate::protocol::eventcount::WaitEnv;
use crate::protocol::loom::counter::{Correct, ModelMutations, Waker};
use crate::protocol::loom::eventcount::UntilWoken;
use crate::protocol::loom::{FutexQueue, Product, check, mutant_deadlocks, mutant_fails};
use crate::protocol::wait::WaitStep;

impl Mutations for Correct {}

/// A waiter with a read-only mapping.
struct ThroughReadOnly;
impl ModelMutations for ThroughReadOnly {}
impl Mutations for ThroughReadOnly {
    const WRITABLE: bool = false;
}

/// Waiters with a read-only mapping, which are woken unasked.
struct Unasked;
impl ModelMutations for Unasked {
    const UNASKED: bool = true;
}
impl Mutations for Unasked {
    const WRITABLE: bool = false;
}

/// A wait that only a wake-up ends, through a mapping that may be writable.
struct Waiter<'a, V>(UntilWoken<'a>, PhantomData<V>);

impl<'a, V> Waiter<'a, V> {
    fn of(queue: &'a FutexQueue) -> Self {
        Self(UntilWoken(queue), PhantomData)
    }
}

impl<V: Mutations> WaitEnv for Waiter<'_, V> {
    fn announces(&self) -> bool {
        V::WRITABLE
    }

    fn spins(&self) -> u32 {
        self.0.spins()
    }

    fn next_step(&mut self) -> WaitStep {
        self.0.next_step()
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.0.sleep(word, seen);
    }
}

/// All steps, of which a single one may differ.
trait AllMutations: ModelMutations + Mutations {}
impl<V: ModelMutations + Mutations> AllMutations for V {}

struct Shared {
    word: AtomicU32,
    queue: FutexQueue,
    /// What each notifier does before it notifies.
    work: [UnsafeCell<u32>; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU32::new(0),
            queue: FutexQueue::new(),
            work: std::array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    fn notify<V: ModelMutations>(&self, notifier: usize, all: bool) {
        // SAFETY: no other thread reads it before the notification; loom checks that.
        self.work[notifier].with_mut(|work| unsafe { *work = 1 });
        let waker = Waker::<V>::of(&self.queue);
        if all {
            notify_all(&self.word, &waker);
        } else {
            notify_one(&self.word, &waker);
        }
    }

    /// Waits until there have been `notifications` notifications.
    fn wait<V: Mutations>(&self, notifications: u32) {
        let mut seen = 0;
        while seen < notifications {
            let mut env = Waiter::<V>::of(&self.queue);
            let next = protocol::wait::<V, _>(&self.word, seen, &mut env).unwrap();
            assert!(next > seen);
            seen = next;
        }
    }

    fn look(&self, notifier: usize) {
        // SAFETY: the notification has been seen; loom checks that this is enough.
        self.work[notifier].with(|work| assert_eq!(unsafe { *work }, 1));
    }
}

/// One waits for two notifications, by two others.
fn follow<V: AllMutations>(all: bool) {
    check(3, move || {
        let shared = Shared::new();
        let threads: Vec<_> = (0..2)
            .map(|notifier| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.notify::<V>(notifier, all))
            })
            .collect();
        shared.wait::<V>(2);
        shared.look(0);
        shared.look(1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(generation::<V>(&shared.word), 2);
    });
}

/// One notifies two, at once or one by one. Notified one by one, none is woken in the other's place.
fn gather<V: AllMutations>(all: bool) {
    check(3, move || {
        let shared = Shared::new();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.wait::<V>(1);
                    shared.look(0);
                })
            })
            .collect();
        shared.notify::<V>(0, all);
        if !all {
            shared.notify::<V>(1, false);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A reader that does not wait.
fn glance<V: AllMutations>() {
    check(3, || {
        let shared = Shared::new();
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if generation::<V>(&shared.word) == 1 {
                    shared.look(0);
                }
            })
        };
        shared.notify::<V>(0, true);
        looker.join().unwrap();
    });
}

/// One waits for what it may find by itself, and is notified.
fn search<V: AllMutations>() {
    check(3, || {
        let shared = Shared::new();
        let searcher = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut env = UntilWoken(&shared.queue);
                let found = wait_or_check::<V, _, ()>(&shared.word, 0, &mut env, || None);
                assert_eq!(found, Some(WaitOutcome::Notified));
                shared.look(0);
            })
        };
        shared.notify::<V>(0, true);
        searcher.join().unwrap();
    });
}

/// The mutations of a wait for a condition.
trait Looking: 'static {
    const READS_FIRST: bool = <Product as WaitRounds>::READS_FIRST;
}

impl Looking for Correct {}

/// Waits that only wake-ups end.
struct Wakeful<'a, L>(&'a FutexQueue, PhantomData<L>);

impl<'a, L: Looking> WaitRounds for Wakeful<'a, L> {
    const READS_FIRST: bool = L::READS_FIRST;
    type Env = UntilWoken<'a>;

    fn next(&mut self) -> Option<UntilWoken<'a>> {
        Some(UntilWoken(self.0))
    }
}

/// One waits for changes by two others, which notify after them.
fn look_for<L: Looking>(all: bool) {
    check(3, move || {
        let shared = Shared::new();
        let flags: Arc<[AtomicU32; 2]> = Arc::new(std::array::from_fn(|_| AtomicU32::new(0)));
        let threads: Vec<_> = (0..2)
            .map(|notifier| {
                let (shared, flags) = (Arc::clone(&shared), Arc::clone(&flags));
                thread::spawn(move || {
                    flags[notifier].store(1, Ordering::Relaxed);
                    shared.notify::<Correct>(notifier, all);
                })
            })
            .collect();
        let both = || {
            let there = flags.iter().all(|flag| flag.load(Ordering::Relaxed) == 1);
            there.then_some(7)
        };
        let mut waits = Wakeful::<L>(&shared.queue, PhantomData);
        assert_eq!(
            wait_until::<Correct, _, _>(&shared.word, &mut waits, both),
            Some(7)
        );
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Waits that probe once, after another process died.
struct Mourning(Rc<Cell<Option<thread::JoinHandle<()>>>>);

impl WaitRounds for Mourning {
    type Env = Self;

    fn next(&mut self) -> Option<Self> {
        Some(Self(Rc::clone(&self.0)))
    }
}

impl WaitEnv for Mourning {
    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        match self.0.take() {
            Some(other) => {
                other.join().unwrap();
                WaitStep::Probe
            }
            None => panic!("it should have been found"),
        }
    }

    fn sleep(&mut self, _: &AtomicU32, _: u32) {}
}

/// One changes something and is killed before it notifies, while another notifies of nothing.
fn unannounced() {
    check(3, || {
        let shared = Shared::new();
        let flag = Arc::new(AtomicU32::new(0));
        let dying = thread::spawn({
            let flag = Arc::clone(&flag);
            move || flag.store(1, Ordering::Relaxed)
        });
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.notify::<Correct>(0, true)
        });
        let look = || (flag.load(Ordering::Relaxed) == 1).then_some(7);
        let mut waits = Mourning(Rc::new(Cell::new(Some(dying))));
        assert_eq!(
            wait_until::<Correct, _, _>(&shared.word, &mut waits, look),
            Some(7)
        );
        other.join().unwrap();
    });
}

#[test]
fn wait_until_finds_changes_of_two_that_notify_one() {
    look_for::<Correct>(false);
}

#[test]
fn wait_until_finds_changes_of_two_that_notify_all() {
    look_for::<Correct>(true);
}

#[test]
fn a_change_without_notification_is_found() {
    unannounced();
}

#[test]
fn a_waiter_follows_two_that_notify_one() {
    follow::<Correct>(false);
}

#[test]
fn a_waiter_follows_two_that_notify_all() {
    follow::<Correct>(true);
}

#[test]
fn two_waiters_are_notified() {
    gather::<Correct>(true);
}

#[test]
fn two_notifications_of_one_wake_two() {
    gather::<Correct>(false);
}

#[test]
fn a_generation_shows_what_came_before() {
    glance::<Correct>();
}

#[test]
fn read_only_waiters_are_woken_unasked() {
    follow::<Unasked>(true);
    follow::<Unasked>(false);
    gather::<Unasked>(true);
    gather::<Unasked>(false);
}

mutant_deadlocks!(asked, read_only_waiters_are_not_woken_unless_unasked, gather::<Mutant>(true),
    impl ModelMutations for Mutant {}
    impl Mutations for Mutant {
        const WRITABLE: bool = false;
    }
);

#[test]
fn a_generation_shows_what_came_before_read_only() {
    glance::<ThroughReadOnly>();
}

#[test]
fn a_notification_in_wait_until_shows_what_came_before() {
    search::<Correct>();
}

mutant_fails!(a_relaxed_notification_of_one_is_caught, follow::<Mutant>(false),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const COUNT: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_notification_of_all_is_caught, glance::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const COUNT: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_load_without_a_wait_is_caught, glance::<Mutant>(),
    impl Mutations for Mutant {
        const LOAD: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_load_in_wait_until_is_caught, search::<Mutant>(),
    impl Mutations for Mutant {
        const LOAD: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_load_after_a_wait_is_caught, follow::<Mutant>(true),
    impl Mutations for Mutant {
        const LOAD: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(nobody_is_woken, a_notification_that_does_not_wake_is_caught, follow::<Mutant>(false),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const WAKES: bool = false;
    }
);
mutant_deadlocks!(the_bit_is_cleared_and_nobody_woken, clearing_the_bit_without_waking_is_caught, follow::<Mutant>(false),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const REWAKES: bool = false;
    }
);
mutant_deadlocks!(checks_first, checking_before_loading_the_generation_is_caught, look_for::<Mutant>(true),
    impl Looking for Mutant {
        const READS_FIRST: bool = false;
    }
);
