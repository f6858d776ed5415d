//! The semaphore under loom. Bounds: up to three threads and two permits; three forced preemptions, two with three
//! threads. Waiters look again only when they are woken, so nobody is helped by the end of a slice.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::loom::counted::{Sound, Variant, Waker};
use crate::protocol::loom::eventcount::Patient;
use crate::protocol::loom::{Queue, check, fails, gets_stuck};
use crate::protocol::semaphore::{self as protocol, Steps, permits, take};

impl Steps for Sound {}

/// All steps, of which a single one may differ.
trait Whole: Variant + Steps {}
impl<V: Variant + Steps> Whole for V {}

struct Shared {
    word: AtomicU32,
    queue: Queue,
    value: UnsafeCell<u32>,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU32::new(0),
            queue: Queue::new(),
            value: UnsafeCell::new(0),
        })
    }

    fn post<V: Whole>(&self, count: u32) {
        let waker = Waker::<V>::of(&self.queue);
        assert!(protocol::post::<V, _>(&self.word, count, &waker));
    }

    fn wait<V: Steps>(&self) {
        let mut world = Patient(&self.queue);
        assert!(protocol::wait::<V, _>(&self.word, &mut world));
    }

    /// What the one who has the only permit does.
    fn add_one(&self) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    /// What the one does who was posted for.
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
fn turns<V: Whole>(preemptions: usize, count: u32) {
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
fn collect<V: Whole>() {
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

/// One posts when its data are there, beside one who takes without waiting: with the permit it has the data.
fn glance<V: Whole>() {
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
fn hand_over<V: Whole>() {
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
    turns::<Sound>(3, 2);
}

#[test]
fn three_take_turns() {
    turns::<Sound>(2, 3);
}

#[test]
fn one_takes_what_two_post() {
    collect::<Sound>();
}

/// One that loses patience at once.
struct Impatient;
impl Variant for Impatient {}
impl Steps for Impatient {
    const TRIES: u32 = 1;
}

/// Two posts at a time, of which one may come too late for its first try, beside one who takes both.
fn crowd<V: Whole>() {
    check(2, || {
        let shared = Shared::new();
        let taker = spawn(&shared, |shared| {
            // Only with patience.
            shared.wait::<Sound>();
            shared.wait::<Sound>();
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
fn who_adds_without_comparing_in_the_end_loses_no_permit() {
    crowd::<Impatient>();
}

#[test]
fn two_take_what_is_posted_at_once() {
    check(2, || {
        let shared = Shared::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| spawn(&shared, Shared::wait::<Sound>))
            .collect();
        shared.post::<Sound>(2);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(permits(&shared.word), 0);
    });
}

#[test]
fn a_permit_that_is_snatched_away_is_not_had_twice() {
    check(2, || {
        let shared = Shared::new();
        let waiter = spawn(&shared, Shared::wait::<Sound>);
        let thief = spawn(&shared, |shared| {
            if take::<Sound>(&shared.word) {
                shared.post::<Sound>(1);
            }
        });
        shared.post::<Sound>(1);
        waiter.join().unwrap();
        thief.join().unwrap();
        assert_eq!(permits(&shared.word), 0);
    });
}

#[test]
fn who_takes_without_waiting_sees_what_was_done_before_the_post() {
    glance::<Sound>();
}

#[test]
fn who_takes_having_waited_sees_what_was_done_before_the_post() {
    hand_over::<Sound>();
}

fails!(a_relaxed_post_is_caught, turns::<Broken>(3, 2),
    impl Steps for Broken {}
    impl Variant for Broken {
        const COUNT: Ordering = Ordering::Relaxed;
    }
);
fails!(a_relaxed_post_is_caught_by_who_does_not_wait, glance::<Broken>(),
    impl Steps for Broken {}
    impl Variant for Broken {
        const COUNT: Ordering = Ordering::Relaxed;
    }
);
fails!(a_relaxed_addition_without_comparing_is_caught, crowd::<Broken>(),
    impl Steps for Broken {
        const ADD: Ordering = Ordering::Relaxed;
        const TRIES: u32 = 1;
    }
    impl Variant for Broken {}
);
fails!(a_relaxed_take_without_a_wait_is_caught, glance::<Broken>(),
    impl Steps for Broken {
        const TAKE: Ordering = Ordering::Relaxed;
    }
    impl Variant for Broken {}
);
fails!(a_relaxed_take_after_a_wait_is_caught, hand_over::<Broken>(),
    impl Steps for Broken {
        const TAKE: Ordering = Ordering::Relaxed;
    }
    impl Variant for Broken {}
);
gets_stuck!(nobody_is_woken, a_post_that_does_not_wake_is_caught, turns::<Broken>(3, 2),
    impl Steps for Broken {}
    impl Variant for Broken {
        const WAKES: bool = false;
    }
);
gets_stuck!(the_bit_is_cleared_and_nobody_woken, clearing_the_bit_without_waking_is_caught, collect::<Broken>(),
    impl Steps for Broken {}
    impl Variant for Broken {
        const TIDIES: bool = false;
    }
);
