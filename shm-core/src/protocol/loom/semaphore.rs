//! The semaphore under loom. Bounds: up to three threads and two permits; three forced preemptions, two with three
//! threads. Waiters check again only when they are woken, so the end of a slice cannot hide a lost wake-up.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::counter::WakeSome;
use crate::protocol::eventcount::{WAITERS, WakeAll};
use crate::protocol::loom::counter::{Correct, ModelMutations, Waker};
use crate::protocol::loom::eventcount::UntilWoken;
use crate::protocol::loom::{FutexQueue, check, mutant_deadlocks, mutant_fails};
use crate::protocol::semaphore::{self as protocol, Mutations, permits, take};

impl Mutations for Correct {}

/// All steps, of which a single one may differ.
trait AllMutations: ModelMutations + Mutations {}
impl<V: ModelMutations + Mutations> AllMutations for V {}

/// How several permits are taken.
trait ManyMutations: AllMutations {
    const ONE_BY_ONE: bool = false;
}
impl ManyMutations for Correct {}

/// Wakes the urgent sleepers before the others.
struct Priorities<'a, V> {
    urgent: Waker<'a, V>,
    others: Waker<'a, V>,
}

impl<V: ModelMutations> WakeAll for Priorities<'_, V> {
    fn wake_all(&self, word: &AtomicU32) {
        self.urgent.wake_all(word);
        self.others.wake_all(word);
    }
}

impl<V: ModelMutations> WakeSome for Priorities<'_, V> {
    const COUNT: Ordering = V::COUNT;
    const REWAKES: bool = V::REWAKES;

    fn wake_up_to(&self, word: &AtomicU32, count: u32) -> u32 {
        let urgent = self.urgent.wake_up_to(word, count);
        urgent + self.others.wake_up_to(word, count - urgent)
    }
}

struct Shared {
    word: AtomicU32,
    queue: FutexQueue,
    /// Processes that want several permits sleep here. They have a higher priority: wake-ups reach them first.
    urgent: FutexQueue,
    value: UnsafeCell<u32>,
    /// What each of two posts belongs to.
    halves: [UnsafeCell<u32>; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU32::new(0),
            queue: FutexQueue::new(),
            urgent: FutexQueue::new(),
            value: UnsafeCell::new(0),
            halves: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }

    fn post<V: AllMutations>(&self, count: u32) {
        let waker = Priorities {
            urgent: Waker::<V>::of(&self.urgent),
            others: Waker::<V>::of(&self.queue),
        };
        assert!(protocol::post::<V, _>(&self.word, count, &waker));
    }

    fn wait<V: Mutations>(&self) {
        let mut env = UntilWoken(&self.queue);
        assert!(protocol::wait::<V, _>(&self.word, 1, &mut env));
    }

    fn wait_many<V: ManyMutations>(&self, count: u32) {
        if V::ONE_BY_ONE {
            (0..count).for_each(|_| self.wait::<V>());
        } else {
            let mut env = UntilWoken(&self.urgent);
            assert!(protocol::wait::<V, _>(&self.word, count, &mut env));
        }
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
            if take::<V>(&shared.word, 1) {
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

/// One wants two permits, and sleeps with a higher priority than another one that wants one. A single permit is posted. The
/// process that gets it posts two.
fn several_next_to_one<V: ManyMutations>() {
    check(3, || {
        let shared = Shared::new();
        let several = spawn(&shared, |shared| shared.wait_many::<V>(2));
        let one = spawn(&shared, |shared| {
            shared.wait::<V>();
            shared.post::<V>(2);
        });
        shared.post::<V>(1);
        several.join().unwrap();
        one.join().unwrap();
        assert_eq!(permits(&shared.word), 0);
    });
}

/// Two want both permits, and each posts them again.
fn both_want_all<V: ManyMutations>() {
    check(2, || {
        let shared = Shared::new();
        let work = |shared: &Shared| {
            shared.wait_many::<V>(2);
            shared.add_one();
            shared.post::<V>(2);
        };
        let other = spawn(&shared, work);
        shared.post::<V>(2);
        work(&shared);
        other.join().unwrap();
        // SAFETY: all threads have been joined.
        shared.value.with(|value| assert_eq!(unsafe { *value }, 2));
        assert_eq!(permits(&shared.word), 2);
    });
}

/// Two do something and post. Another one takes both permits at once: it sees what both did.
fn gather<V: ManyMutations>() {
    check(2, || {
        let shared = Shared::new();
        let half = |shared: &Shared, half: usize| {
            // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
            shared.halves[half].with_mut(|half| unsafe { *half = 1 });
            shared.post::<V>(1);
        };
        let taker = spawn(&shared, |shared| {
            shared.wait_many::<V>(2);
            for half in &shared.halves {
                // SAFETY: both posts have been seen; loom checks that this is enough.
                half.with(|half| assert_eq!(unsafe { *half }, 1));
            }
        });
        let other = spawn(&shared, move |shared| half(shared, 1));
        half(&shared, 0);
        other.join().unwrap();
        taker.join().unwrap();
        assert_eq!(permits(&shared.word), 0);
    });
}

#[test]
fn a_waiter_for_several_takes_no_wake_up_from_another() {
    several_next_to_one::<Correct>();
}

#[test]
fn two_that_want_all_permits_do_not_block_each_other() {
    both_want_all::<Correct>();
}

#[test]
fn taking_several_shows_what_came_before_each_post() {
    gather::<Correct>();
}

mutant_deadlocks!(several_are_not_announced, a_waiter_for_several_that_looks_like_one_is_caught,
    several_next_to_one::<Mutant>(),
    impl Mutations for Mutant {
        const SEVERAL: u32 = WAITERS;
    }
    impl ModelMutations for Mutant {}
    impl ManyMutations for Mutant {}
);
mutant_deadlocks!(a_late_waiter_for_several_is_missed, a_post_that_does_not_check_again_is_caught,
    several_next_to_one::<Mutant>(),
    impl Mutations for Mutant {
        const RECHECKS: bool = false;
    }
    impl ModelMutations for Mutant {}
    impl ManyMutations for Mutant {}
);
mutant_deadlocks!(permits_are_taken_one_by_one, taking_one_by_one_is_caught, both_want_all::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {}
    impl ManyMutations for Mutant {
        const ONE_BY_ONE: bool = true;
    }
);
mutant_fails!(a_relaxed_take_of_several_is_caught, gather::<Mutant>(),
    impl Mutations for Mutant {
        const TAKE: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
    impl ManyMutations for Mutant {}
);
mutant_fails!(a_relaxed_post_to_one_that_wants_several_is_caught, gather::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const COUNT: Ordering = Ordering::Relaxed;
    }
    impl ManyMutations for Mutant {}
);

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

/// Adds without comparing after one failed attempt.
struct SingleAttempt;
impl ModelMutations for SingleAttempt {}
impl Mutations for SingleAttempt {
    const ADDS_AFTER: u32 = 1;
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
            if take::<Correct>(&shared.word, 1) {
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
        const ADDS_AFTER: u32 = 1;
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
