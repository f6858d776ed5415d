//! The semaphore under loom. Bounds: up to three threads and two permits; three forced preemptions, two with three
//! threads. Waiters check again only when they are woken, so the end of a slice cannot hide a lost wake-up.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::loom::counter::{Correct, ModelMutations, Waker};
use crate::protocol::loom::eventcount::UntilWoken;
use crate::protocol::loom::{FutexQueue, check, mutant_deadlocks, mutant_fails};
use crate::protocol::semaphore::{self as protocol, Mutations, permits, take};

impl Mutations for Correct {}

/// All steps, of which a single one may differ.
trait AllMutations: ModelMutations + Mutations {}
impl<V: ModelMutations + Mutations> AllMutations for V {}

struct Shared {
    word: AtomicU32,
    queue: FutexQueue,
    value: UnsafeCell<u32>,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU32::new(0),
            queue: FutexQueue::new(),
            value: UnsafeCell::new(0),
        })
    }

    fn post<V: AllMutations>(&self, count: u32) {
        let waker = Waker::<V>::of(&self.queue);
        assert!(protocol::post::<V, _>(&self.word, count, &waker));
    }

    fn wait<V: Mutations>(&self) {
        let mut env = UntilWoken(&self.queue);
        assert!(protocol::wait::<V, _>(&self.word, &mut env));
    }

    /// The work of the owner of the only permit.
    fn add_one(&self) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    /// Checks the work that came before the post.
    fn look(&self) {
        // SAFETY: the post has been seen; loom checks that this is enough.
        self.value.with(|value| assert_eq!(unsafe { *value }, 1));
    }
}

fn spawn(shared: &Arc<Shared>, work: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || work(&shared))
}

/// One permit goes round, as a lock.
fn turns<V: AllMutations>(preemptions: usize, count: u32) {
    check(preemptions, move || {
        let shared = Shared::new();
        let work = |shared: &Shared| {
            shared.wait::<V>();
            shared.add_one();
            shared.post::<V>(1);
        };
        let others: Vec<_> = (1..count).map(|_| spawn(&shared, work)).collect();
        shared.post::<V>(1);
        work(&shared);
        for other in others {
            other.join().unwrap();
        }
        // SAFETY: all threads have been joined.
        shared
            .value
            .with(|value| assert_eq!(unsafe { *value }, count));
        assert_eq!(permits(&shared.word), 1);
    });
}

/// One takes what two others post.
fn collect<V: AllMutations>() {
    check(2, || {
        let shared = Shared::new();
        let posts: Vec<_> = (0..2)
            .map(|_| spawn(&shared, |shared| shared.post::<V>(1)))
            .collect();
        shared.wait::<V>();
        shared.wait::<V>();
        for post in posts {
            post.join().unwrap();
        }
        assert_eq!(permits(&shared.word), 0);
    });
}

/// One posts after it has written data. Another one takes without waiting: with the permit it sees the data.
fn glance<V: AllMutations>() {
    check(3, || {
        let shared = Shared::new();
        let taker = spawn(&shared, |shared| {
            if take::<V>(&shared.word) {
                shared.look();
            }
        });
        shared.add_one();
        shared.post::<V>(1);
        taker.join().unwrap();
    });
}

/// The same with waiting.
fn hand_over<V: AllMutations>() {
    check(3, || {
        let shared = Shared::new();
        let taker = spawn(&shared, |shared| {
            shared.wait::<V>();
            shared.look();
        });
        shared.add_one();
        shared.post::<V>(1);
        taker.join().unwrap();
    });
}

#[test]
fn two_take_turns() {
    turns::<Correct>(3, 2);
}

#[test]
fn three_take_turns() {
    turns::<Correct>(2, 3);
}

#[test]
fn one_takes_what_two_post() {
    collect::<Correct>();
}

/// Gives up after one attempt.
struct SingleAttempt;
impl ModelMutations for SingleAttempt {}
impl Mutations for SingleAttempt {
    const TRIES: u32 = 1;
}

/// Two posts at a time, of which the first attempt of one may fail. Another process takes both permits.
fn crowd<V: AllMutations>() {
    check(2, || {
        let shared = Shared::new();
        let taker = spawn(&shared, |shared| {
            // Ends only if both permits arrive.
            shared.wait::<Correct>();
            shared.wait::<Correct>();
            shared.look();
        });
        let other = spawn(&shared, |shared| shared.post::<V>(1));
        shared.add_one();
        shared.post::<V>(1);
        other.join().unwrap();
        taker.join().unwrap();
        assert_eq!(permits(&shared.word), 0);
    });
}

#[test]
fn a_post_without_comparing_loses_no_permit() {
    crowd::<SingleAttempt>();
}

#[test]
fn two_take_what_is_posted_at_once() {
    check(2, || {
        let shared = Shared::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| spawn(&shared, Shared::wait::<Correct>))
            .collect();
        shared.post::<Correct>(2);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(permits(&shared.word), 0);
    });
}

#[test]
fn a_permit_is_taken_once_only() {
    check(2, || {
        let shared = Shared::new();
        let waiter = spawn(&shared, Shared::wait::<Correct>);
        let thief = spawn(&shared, |shared| {
            if take::<Correct>(&shared.word) {
                shared.post::<Correct>(1);
            }
        });
        shared.post::<Correct>(1);
        waiter.join().unwrap();
        thief.join().unwrap();
        assert_eq!(permits(&shared.word), 0);
    });
}

#[test]
fn a_take_without_a_wait_shows_what_came_before_the_post() {
    glance::<Correct>();
}

#[test]
fn a_take_after_a_wait_shows_what_came_before_the_post() {
    hand_over::<Correct>();
}

mutant_fails!(a_relaxed_post_is_caught, turns::<Mutant>(3, 2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const COUNT: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_post_is_caught_without_a_wait, glance::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const COUNT: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_addition_without_comparing_is_caught, crowd::<Mutant>(),
    impl Mutations for Mutant {
        const ADD: Ordering = Ordering::Relaxed;
        const TRIES: u32 = 1;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_take_without_a_wait_is_caught, glance::<Mutant>(),
    impl Mutations for Mutant {
        const TAKE: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_take_after_a_wait_is_caught, hand_over::<Mutant>(),
    impl Mutations for Mutant {
        const TAKE: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(nobody_is_woken, a_post_that_does_not_wake_is_caught, turns::<Mutant>(3, 2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const WAKES: bool = false;
    }
);
mutant_deadlocks!(the_bit_is_cleared_and_nobody_woken, clearing_the_bit_without_waking_is_caught, collect::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const REWAKES: bool = false;
    }
);
