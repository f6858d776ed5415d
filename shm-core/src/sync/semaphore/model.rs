//! The semaphore under loom. Bounds: up to three threads and two permits; three forced preemptions, two with three
//! threads. Waiters look again only when they are woken, so nobody is helped by the end of a slice.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use super::protocol::{permits, post, take, wait};
use crate::modelling::{Queue, check, fails, gets_stuck};
use crate::primitive::Ordering;
use crate::sync::counted::model::{Sound, Variant, Waker};
use crate::sync::eventcount::model::Patient;

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

    fn post<V: Variant>(&self, count: u32) {
        let waker = Waker::<V>::of(&self.queue);
        assert!(post(&self.word, count, &waker));
    }

    fn wait(&self) {
        assert!(wait(&self.word, &mut Patient(&self.queue)));
    }

    /// What the one who has the only permit does.
    fn add_one(&self) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }
}

fn spawn(shared: &Arc<Shared>, work: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || work(&shared))
}

/// One permit goes round, as a lock.
fn turns<V: Variant>(preemptions: usize, count: u32) {
    check(preemptions, move || {
        let shared = Shared::new();
        let work = |shared: &Shared| {
            shared.wait();
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
fn collect<V: Variant>() {
    check(2, || {
        let shared = Shared::new();
        let posts: Vec<_> = (0..2)
            .map(|_| spawn(&shared, |shared| shared.post::<V>(1)))
            .collect();
        shared.wait();
        shared.wait();
        for post in posts {
            post.join().unwrap();
        }
        assert_eq!(permits(&shared.word), 0);
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

#[test]
fn two_take_what_is_posted_at_once() {
    check(2, || {
        let shared = Shared::new();
        let waiters: Vec<_> = (0..2).map(|_| spawn(&shared, Shared::wait)).collect();
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
        let waiter = spawn(&shared, Shared::wait);
        let thief = spawn(&shared, |shared| {
            if take(&shared.word) {
                shared.post::<Sound>(1);
            }
        });
        shared.post::<Sound>(1);
        waiter.join().unwrap();
        thief.join().unwrap();
        assert_eq!(permits(&shared.word), 0);
    });
}

fails!(a_relaxed_post_is_caught, turns::<Broken>(3, 2),
    impl Variant for Broken {
        const COUNT: Ordering = Ordering::Relaxed;
    }
);
gets_stuck!(nobody_is_woken, a_post_that_does_not_wake_is_caught, turns::<Broken>(3, 2),
    impl Variant for Broken {
        const WAKES: bool = false;
    }
);
gets_stuck!(the_bit_is_cleared_and_nobody_woken, clearing_the_bit_without_waking_is_caught, collect::<Broken>(),
    impl Variant for Broken {
        const TIDIES: bool = false;
    }
);
