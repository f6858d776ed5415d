//! The event under loom. Bounds: up to three threads and two notifications; three forced preemptions. Most waiters check again
//! only when they are woken, so the end of a slice cannot hide a lost wake-up. Those of the last part have slices that end.

mod attempts;

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::event::{
    self as protocol, ASSIGNED, EventWait, EventWaker, Mutations, OWED, WAITERS, WaitOutcome,
    WaitRounds, generation, notify_all, notify_one, wait_or_check, wait_until,
};
use crate::protocol::loom::{FutexQueue, Product, check, mutant_deadlocks, mutant_fails};
use crate::protocol::wait::WaitStep;

/// The single step of a notification that differs.
trait ModelMutations: 'static {
    const NOTIFY: Ordering = <Product as EventWaker>::NOTIFY;
    const ASSIGN: u64 = <Product as EventWaker>::ASSIGN;
    const CLEAR: u64 = <Product as EventWaker>::CLEAR;
    const REWAKES: bool = <Product as EventWaker>::REWAKES;
    const WAKES: bool = true;
    /// Whether every notification wakes, although no waiter has announced itself.
    const UNASKED: bool = false;
}

struct Correct;
impl ModelMutations for Correct {}
impl Mutations for Correct {}

/// The waker.
struct Waker<'a, V>(&'a FutexQueue, PhantomData<V>);

impl<V: ModelMutations> EventWaker for Waker<'_, V> {
    const NOTIFY: Ordering = V::NOTIFY;
    const ASSIGN: u64 = V::ASSIGN;
    const CLEAR: u64 = V::CLEAR;
    const REWAKES: bool = V::REWAKES;

    fn wakes_unasked(&self, _: &AtomicU64) -> bool {
        V::UNASKED
    }

    fn wake_one(&self, _: &AtomicU64) -> bool {
        !V::WAKES || self.0.wake(1) == 1
    }

    fn wake_all(&self, _: &AtomicU64) {
        if V::WAKES {
            self.0.wake_all();
        }
    }
}

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

fn sleep_on(queue: &FutexQueue, word: &AtomicU64, seen: u32) {
    queue.sleep_if(|| word.load(Ordering::Relaxed) as u32 == seen);
}

/// A wait that only a wake-up ends, through a mapping that may be writable.
struct Waiter<'a, V>(&'a FutexQueue, PhantomData<V>);

impl<'a, V> Waiter<'a, V> {
    fn of(queue: &'a FutexQueue) -> Self {
        Self(queue, PhantomData)
    }
}

impl<V: Mutations> EventWait for Waiter<'_, V> {
    fn announces(&self) -> bool {
        V::WRITABLE
    }

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        WaitStep::Sleep
    }

    fn sleep(&mut self, word: &AtomicU64, seen: u32) {
        sleep_on(self.0, word, seen);
    }
}

/// All steps, of which a single one may differ.
trait AllMutations: ModelMutations + Mutations {}
impl<V: ModelMutations + Mutations> AllMutations for V {}

struct Shared {
    word: AtomicU64,
    queue: FutexQueue,
    /// What each notifier does before it notifies.
    work: [UnsafeCell<u32>; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU64::new(0),
            queue: FutexQueue::new(),
            work: std::array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    fn notify<V: ModelMutations>(&self, notifier: usize, all: bool) {
        // SAFETY: no other thread reads it before the notification; loom checks that.
        self.work[notifier].with_mut(|work| unsafe { *work = 1 });
        let waker = Waker::<V>(&self.queue, PhantomData);
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
                let mut env = Waiter::<V>::of(&shared.queue);
                let found = wait_or_check::<V, _, ()>(&shared.word, 0, &mut env, || None);
                assert_eq!(found, Some(WaitOutcome::Notified(1)));
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
    type Env = Waiter<'a, Correct>;

    fn next(&mut self) -> Option<Self::Env> {
        Some(Waiter::of(self.0))
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

impl EventWait for Mourning {
    fn announces(&self) -> bool {
        true
    }

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

    fn sleep(&mut self, _: &AtomicU64, _: u32) {}
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
        const NOTIFY: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_notification_of_all_is_caught, glance::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const NOTIFY: Ordering = Ordering::Relaxed;
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

/// A wait whose first sleep lasts until some threads are done, and then ends with its slice. It must not sleep again.
struct OneSlice(Vec<thread::JoinHandle<()>>, bool);

impl OneSlice {
    fn until(others: Vec<thread::JoinHandle<()>>) -> Self {
        Self(others, false)
    }
}

impl EventWait for OneSlice {
    fn announces(&self) -> bool {
        true
    }

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        assert!(!self.1, "the notification is lost");
        WaitStep::Sleep
    }

    fn sleep(&mut self, _: &AtomicU64, _: u32) {
        self.0.drain(..).for_each(|other| other.join().unwrap());
        self.1 = true;
    }
}

/// What becomes of a notification of one waiter or of all.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// It is as it should be, but nobody was asleep.
    Answered,
    /// The waiter that it woke is killed before it returns.
    SleeperKilled,
    /// The process is killed before it wakes.
    NotifierKilled,
}

/// One waits while another one notifies. Its slice ends, and it finds what was lost.
fn recover<V: AllMutations>(all: bool, fate: Fate) {
    check(3, move || {
        let shared = Shared::new();
        let mut others = Vec::new();
        if fate == Fate::SleeperKilled {
            let shared = Arc::clone(&shared);
            others.push(thread::spawn(move || {
                let seen = shared.word.fetch_or(WAITERS, Ordering::Relaxed) | WAITERS;
                if generation_now(seen) == 0 {
                    sleep_on(&shared.queue, &shared.word, seen as u32);
                }
            }));
        }
        others.push({
            let shared = Arc::clone(&shared);
            thread::spawn(move || match fate {
                Fate::NotifierKilled => shared.notify::<Silent<V>>(0, all),
                _ => shared.notify::<V>(0, all),
            })
        });
        let mut env = OneSlice::until(others);
        assert_eq!(protocol::wait::<V, _>(&shared.word, 0, &mut env), Some(1));
        shared.look(0);
    });
}

/// The number of notifications in a word of few.
fn generation_now(word: u64) -> u32 {
    word as u32 / 2
}

/// The same mutation in a process that is killed before it wakes.
struct Silent<V>(PhantomData<V>);

impl<V: ModelMutations> ModelMutations for Silent<V> {
    const ASSIGN: u64 = V::ASSIGN;
    const CLEAR: u64 = V::CLEAR;
    const WAKES: bool = false;
}

/// A wait that begins when others know that it looked. Its first sleep may end at once.
struct Watched<'a> {
    shared: &'a Shared,
    looked: &'a (Mutex<u32>, Condvar),
    slices: u32,
}

impl EventWait for Watched<'_> {
    fn announces(&self) -> bool {
        true
    }

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        WaitStep::Sleep
    }

    fn sleep(&mut self, word: &AtomicU64, seen: u32) {
        let is_unchanged = || word.load(Ordering::Relaxed) as u32 == seen;
        if self.slices == 0 {
            return self.shared.queue.sleep_if(is_unchanged);
        }
        self.slices -= 1;
        let looked = || {
            *self.looked.0.lock().unwrap() += 1;
            self.looked.1.notify_all();
        };
        if self.slices == 0 {
            // Before it is asleep nobody can find it there.
            self.shared.queue.sleep_if(|| {
                looked();
                is_unchanged()
            });
        } else {
            looked();
            self.slices = 0;
        }
    }
}

/// Two wait, of which one is asleep and the other one's slice ends. One is notified. Whichever returns first notifies all, and
/// the other one returns for that only.
fn one_of_two<V: AllMutations>() {
    check(2, || {
        let shared = Shared::new();
        let looked = Arc::new((Mutex::new(0), Condvar::new()));
        let returned = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (1..=2)
            .map(|slices| {
                let shared = Arc::clone(&shared);
                let (looked, returned) = (Arc::clone(&looked), Arc::clone(&returned));
                thread::spawn(move || {
                    let mut env = Watched {
                        shared: &shared,
                        looked: &looked,
                        slices,
                    };
                    let now = protocol::wait::<V, _>(&shared.word, 0, &mut env);
                    if returned.fetch_add(1, Ordering::AcqRel) == 0 {
                        shared.notify::<V>(1, true);
                    } else {
                        assert_eq!(now, Some(2), "two return for one notification");
                    }
                })
            })
            .collect();
        let mut count = looked.0.lock().unwrap();
        while *count < 2 {
            count = looked.1.wait(count).unwrap();
        }
        drop(count);
        shared.notify::<V>(0, false);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn one_notification_lets_one_of_two_return() {
    one_of_two::<Correct>();
}

#[test]
fn a_notification_is_found_though_its_sleeper_was_killed() {
    recover::<Correct>(false, Fate::SleeperKilled);
}

#[test]
fn a_notification_is_found_though_its_notifier_was_killed() {
    recover::<Correct>(false, Fate::NotifierKilled);
    recover::<Correct>(true, Fate::NotifierKilled);
}

#[test]
fn a_waiter_between_slices_is_notified() {
    recover::<Correct>(false, Fate::Answered);
    recover::<Correct>(true, Fate::Answered);
}

mutant_fails!(a_waiter_that_takes_nothing_is_caught, recover::<Mutant>(false, Fate::SleeperKilled),
    impl ModelMutations for Mutant {}
    impl Mutations for Mutant {
        const TAKES: bool = false;
    }
);
mutant_fails!(a_notification_that_owes_nothing_is_caught, recover::<Mutant>(false, Fate::NotifierKilled),
    impl ModelMutations for Mutant {
        const ASSIGN: u64 = ASSIGNED;
    }
    impl Mutations for Mutant {}
);
mutant_fails!(a_notification_that_is_not_assigned_is_caught, one_of_two::<Mutant>(),
    impl ModelMutations for Mutant {
        const ASSIGN: u64 = OWED;
    }
    impl Mutations for Mutant {}
);
mutant_fails!(a_clear_that_hides_a_notification_is_caught, recover::<Mutant>(false, Fate::Answered),
    impl ModelMutations for Mutant {
        const CLEAR: u64 = 0;
    }
    impl Mutations for Mutant {}
);
mutant_fails!(a_waiter_that_does_not_compare_is_caught, recover::<Mutant>(true, Fate::NotifierKilled),
    impl ModelMutations for Mutant {}
    impl Mutations for Mutant {
        const COMPARES: bool = false;
    }
);
mutant_deadlocks!(an_old_word_is_compared, comparing_what_was_seen_before_a_clear_is_caught, follow::<Mutant>(false),
    impl ModelMutations for Mutant {}
    impl Mutations for Mutant {
        const RELOADS: bool = false;
    }
);
