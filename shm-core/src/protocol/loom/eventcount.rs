//! The eventcount under loom.
//!
//! Bounds: up to two waiters and two notifiers, each a thread; three forced preemptions, two where there are two of both.
//! Nobody looks at a clock: what a model waits for comes by a wake-up, or never, and loom ends the process in
//! which nobody gets on. Models that must fail in that way run in a process of their own.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::claim_word::Turn;
use crate::protocol::counted::WakeSome;
use crate::protocol::eventcount::{WakeAll, World, notify, wait};
use crate::protocol::loom::{Queue, check, gets_stuck};

impl WakeAll for &Queue {
    fn wake_all(&self, _: &AtomicU32) {
        Queue::wake_all(self);
    }
}

impl WakeSome for &Queue {
    fn wake_up_to(&self, _: &AtomicU32, count: u32) -> u32 {
        self.wake(count)
    }
}

/// The wait of one that only a wake-up gets on.
pub(crate) struct Patient<'a>(pub(crate) &'a Queue);

impl World for Patient<'_> {
    fn spins(&self) -> u32 {
        0
    }

    fn turn(&mut self) -> Turn {
        Turn::Wait
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.0.sleep(word, seen);
    }
}

/// The single step that differs.
trait Variant: 'static {
    const ANNOUNCE_FENCED: bool = true;
    const NOTIFY_FENCED: bool = true;
    const STEP: u32 = 1;
    /// Whether what is waited for is looked at after the announcement, and not before it.
    const LOOKS_AGAIN: bool = true;
}

struct Sound;
impl Variant for Sound {}

struct Waiter<'a, V>(&'a Queue, std::marker::PhantomData<V>);

impl<V: Variant> World for Waiter<'_, V> {
    const FENCED: bool = V::ANNOUNCE_FENCED;

    fn spins(&self) -> u32 {
        0
    }

    fn turn(&mut self) -> Turn {
        Turn::Wait
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.0.sleep(word, seen);
    }
}

struct Notifier<'a, V>(&'a Queue, std::marker::PhantomData<V>);

impl<V: Variant> WakeAll for Notifier<'_, V> {
    const FENCED: bool = V::NOTIFY_FENCED;
    const STEP: u32 = V::STEP;

    fn wake_all(&self, _: &AtomicU32) {
        self.0.wake_all();
    }
}

struct Shared {
    word: AtomicU32,
    queue: Queue,
    /// What is waited for: one word for each notifier, which writes it once.
    flags: [AtomicU32; 2],
}

impl Shared {
    fn notify<V: Variant>(&self, notifier: usize) {
        self.flags[notifier].store(1, Ordering::Relaxed);
        notify(
            &self.word,
            &Notifier::<V>(&self.queue, std::marker::PhantomData),
        );
    }

    /// Waits until so many flags are set.
    fn wait<V: Variant>(&self, notifiers: usize) {
        let look = || {
            let mut flags = self.flags[..notifiers].iter();
            flags.all(|flag| flag.load(Ordering::Relaxed) == 1)
        };
        let mut before = !V::LOOKS_AGAIN && look();
        let ready = || {
            let seen = if V::LOOKS_AGAIN {
                look()
            } else {
                // What was there before the announcement.
                std::mem::replace(&mut before, look())
            };
            seen.then_some(())
        };
        let mut world = Waiter::<V>(&self.queue, std::marker::PhantomData);
        assert!(wait(&self.word, &mut world, ready, || None).is_some());
    }
}

/// All waiters wait for all notifiers.
fn meet<V: Variant>(preemptions: usize, waiters: usize, notifiers: usize) {
    check(preemptions, move || {
        let shared = Arc::new(Shared {
            word: AtomicU32::new(0),
            queue: Queue::new(),
            flags: std::array::from_fn(|_| AtomicU32::new(0)),
        });
        let mut threads = Vec::new();
        for _ in 0..waiters {
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || shared.wait::<V>(notifiers)));
        }
        for notifier in 1..notifiers {
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || shared.notify::<V>(notifier)));
        }
        shared.notify::<V>(0);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_waiter_is_woken() {
    meet::<Sound>(3, 1, 1);
}

#[test]
fn a_waiter_is_woken_by_the_second_of_two() {
    meet::<Sound>(3, 1, 2);
}

#[test]
fn two_waiters_are_woken() {
    meet::<Sound>(3, 2, 1);
}

#[test]
fn two_waiters_are_woken_by_the_second_of_two() {
    meet::<Sound>(2, 2, 2);
}

gets_stuck!(unfenced_announcement, an_unfenced_announcement_is_caught, meet::<Broken>(3, 1, 1),
    impl Variant for Broken {
        const ANNOUNCE_FENCED: bool = false;
    }
);
gets_stuck!(unfenced_notification, an_unfenced_notification_is_caught, meet::<Broken>(3, 1, 1),
    impl Variant for Broken {
        const NOTIFY_FENCED: bool = false;
    }
);
gets_stuck!(no_second_look, a_wait_without_a_second_look_is_caught, meet::<Broken>(3, 1, 1),
    impl Variant for Broken {
        const LOOKS_AGAIN: bool = false;
    }
);
// It clears the bit, which the next to announce itself sets again.
gets_stuck!(uncounted_wake_up, a_wake_up_that_does_not_count_is_caught, meet::<Broken>(3, 2, 1),
    impl Variant for Broken {
        const STEP: u32 = u32::MAX;
    }
);
