//! The eventcount under loom.
//!
//! Bounds: up to two waiters and two notifiers, each a thread; three forced preemptions, two where there are two of both.
//! There is no clock: waits end by a wake-up or never, and loom reports the deadlock.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::primitive::model::CommitOrder;
use crate::protocol::counter::WakeSome;
use crate::protocol::eventcount::{FENCE, WaitEnv, WakeAll, notify, notify_published, wait};
use crate::protocol::loom::interrupts::{Interrupts, Registered};
use crate::protocol::loom::{FutexQueue, Product, check, mutant_deadlocks};
use crate::protocol::wait::WaitStep;

impl WakeAll for FutexQueue {
    fn wake_all(&self, _: &AtomicU32) {
        FutexQueue::wake_all(self);
    }
}

impl WakeSome for &FutexQueue {
    fn wake_up_to(&self, _: &AtomicU32, count: u32) -> u32 {
        self.wake(count)
    }
}

/// A wait that only a wake-up ends.
pub(crate) struct UntilWoken<'a>(pub(crate) &'a FutexQueue);

impl WaitEnv for UntilWoken<'_> {
    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        WaitStep::Sleep
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.0.sleep(word, seen);
    }
}

/// The single step that differs.
trait ModelMutations: 'static {
    const ANNOUNCE_FENCED: bool = <Product as WaitEnv>::FENCED;
    const NOTIFY_FENCED: bool = <Product as WakeAll>::FENCED;
    const INCREMENT: u32 = <Product as WakeAll>::INCREMENT;
    /// Whether the first waiter can write the word.
    const ANNOUNCES: bool = true;
    /// Whether notifiers wake unasked.
    const UNASKED: bool = false;
    /// Whether the condition is checked after the announcement, and not before it.
    const RECHECKS: bool = true;
    const CHECKS_AGAIN: bool = <Product as WakeAll>::CHECKS_AGAIN;
    const WAKE: Ordering = <Product as WakeAll>::WAKE;
    const RETRIES: bool = <Product as WakeAll>::RETRIES;
    /// Whether notifiers are registered.
    const REGISTERED: bool = false;
    /// Whether waiters interrupt them.
    const INTERRUPTS: bool = Self::REGISTERED;
    /// Whether the system refuses that. `FENCE` was set before.
    const REFUSED: bool = false;
}

struct Correct;
impl ModelMutations for Correct {}

/// The first waiter is read-only, and every notification wakes.
struct Unasked;
impl ModelMutations for Unasked {
    const ANNOUNCES: bool = false;
    const UNASKED: bool = true;
}

/// Notifiers are registered, and waiters interrupt them.
struct Interrupting;
impl ModelMutations for Interrupting {
    const REGISTERED: bool = true;
}

/// Notifiers are registered, and the system refuses to interrupt them.
struct Refused;
impl ModelMutations for Refused {
    const REGISTERED: bool = true;
    const REFUSED: bool = true;
}

/// Notifiers are registered and wake unasked, and the first waiter is read-only.
struct RegisteredUnasked;
impl ModelMutations for RegisteredUnasked {
    const REGISTERED: bool = true;
    const ANNOUNCES: bool = false;
    const UNASKED: bool = true;
}

struct Waiter<'a, V> {
    shared: &'a Shared,
    announces: bool,
    variant: std::marker::PhantomData<V>,
}

impl<V: ModelMutations> WaitEnv for Waiter<'_, V> {
    const FENCED: bool = V::ANNOUNCE_FENCED;

    fn announces(&self) -> bool {
        self.announces
    }

    fn interrupts(&self) -> bool {
        V::INTERRUPTS
    }

    fn interrupt(&mut self) -> bool {
        if V::REFUSED {
            return false;
        }
        for notifier in &self.shared.interrupts {
            notifier.interrupt();
        }
        true
    }

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        WaitStep::Sleep
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.shared.queue.sleep(word, seen);
    }
}

struct Notifier<'a, V> {
    queue: &'a FutexQueue,
    registered: Registered<'a>,
    variant: std::marker::PhantomData<V>,
}

impl<V: ModelMutations> WakeAll for Notifier<'_, V> {
    const FENCED: bool = V::NOTIFY_FENCED;
    const INCREMENT: u32 = V::INCREMENT;
    const CHECKS_AGAIN: bool = V::CHECKS_AGAIN;
    const WAKE: Ordering = V::WAKE;
    const RETRIES: bool = V::RETRIES;

    fn order(&self) -> CommitOrder {
        if V::REGISTERED {
            CommitOrder::Registered
        } else {
            CommitOrder::Fenced
        }
    }

    fn order_program(&self) {
        self.registered.poll();
    }

    fn wakes_unasked(&self, _: &AtomicU32) -> bool {
        V::UNASKED
    }

    fn wake_all(&self, _: &AtomicU32) {
        self.queue.wake_all();
    }
}

struct Shared {
    word: AtomicU32,
    queue: FutexQueue,
    /// What the waiters wait for: one word for each notifier, which writes it once.
    flags: [AtomicU32; 2],
    /// The notifiers' threads.
    interrupts: Vec<Interrupts>,
}

impl Shared {
    fn notify<V: ModelMutations>(&self, notifier: usize) {
        let waker = Notifier::<V> {
            queue: &self.queue,
            registered: self.interrupts[notifier].register(),
            variant: std::marker::PhantomData,
        };
        self.flags[notifier].store(1, Ordering::Relaxed);
        if V::REGISTERED {
            notify_published(&self.word, &waker);
        } else {
            notify(&self.word, &waker);
        }
    }

    /// Waits until the flags of all `notifiers` are set.
    fn wait<V: ModelMutations>(&self, waiter: usize, notifiers: usize) {
        let look = || {
            let mut flags = self.flags[..notifiers].iter();
            flags.all(|flag| flag.load(Ordering::Relaxed) == 1)
        };
        let mut before = !V::RECHECKS && look();
        let ready = || {
            let seen = if V::RECHECKS {
                look()
            } else {
                // What was there before the announcement.
                std::mem::replace(&mut before, look())
            };
            seen.then_some(())
        };
        let mut env = Waiter::<V> {
            shared: self,
            announces: V::ANNOUNCES || waiter > 0,
            variant: std::marker::PhantomData,
        };
        assert!(wait(&self.word, &mut env, ready, || None).is_some());
    }
}

/// All waiters wait for all notifiers.
fn meet<V: ModelMutations>(preemptions: usize, waiters: usize, notifiers: usize) {
    check(preemptions, move || {
        let shared = Arc::new(Shared {
            word: AtomicU32::new(if V::REFUSED { FENCE } else { 0 }),
            queue: FutexQueue::new(),
            flags: std::array::from_fn(|_| AtomicU32::new(0)),
            interrupts: (0..notifiers).map(|_| Interrupts::new()).collect(),
        });
        let mut threads = Vec::new();
        for waiter in 0..waiters {
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || shared.wait::<V>(waiter, notifiers)));
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
    meet::<Correct>(3, 1, 1);
}

#[test]
fn a_waiter_is_woken_by_the_second_of_two() {
    meet::<Correct>(3, 1, 2);
}

#[test]
fn two_waiters_are_woken() {
    meet::<Correct>(3, 2, 1);
}

#[test]
fn two_waiters_are_woken_by_the_second_of_two() {
    meet::<Correct>(2, 2, 2);
}

#[test]
fn a_read_only_waiter_is_woken_unasked() {
    meet::<Unasked>(3, 1, 1);
}

#[test]
fn a_read_only_waiter_is_woken_unasked_by_the_second_of_two() {
    meet::<Unasked>(3, 1, 2);
}

/// The wake-up orders what comes before it.
#[test]
fn an_unasked_wake_up_of_a_read_only_waiter_needs_no_fence() {
    struct Unfenced;
    impl ModelMutations for Unfenced {
        const NOTIFY_FENCED: bool = false;
        const ANNOUNCES: bool = false;
        const UNASKED: bool = true;
    }
    meet::<Unfenced>(3, 1, 1);
}

/// The other one announces itself between the steps of the first, or of the notifier.
#[test]
fn a_read_only_waiter_and_another_are_woken() {
    meet::<Unasked>(3, 2, 1);
}

#[test]
fn a_read_only_waiter_and_another_are_woken_by_the_second() {
    meet::<Unasked>(2, 2, 2);
}

#[test]
fn a_waiter_that_interrupts_is_woken() {
    meet::<Interrupting>(3, 1, 1);
}

#[test]
fn a_waiter_that_interrupts_is_woken_by_the_second_of_two() {
    meet::<Interrupting>(2, 1, 2);
}

#[test]
fn two_waiters_that_interrupt_are_woken() {
    meet::<Interrupting>(2, 2, 1);
}

#[test]
fn a_waiter_that_cannot_interrupt_is_woken() {
    meet::<Refused>(3, 1, 1);
}

#[test]
fn a_waiter_that_cannot_interrupt_is_woken_by_the_second() {
    meet::<Refused>(3, 1, 2);
}

#[test]
fn a_read_only_waiter_is_woken_unasked_by_a_registered_one() {
    meet::<RegisteredUnasked>(3, 1, 1);
}

#[test]
fn registered_processes_wake_a_read_only_waiter_and_another() {
    meet::<RegisteredUnasked>(2, 2, 1);
}

mutant_deadlocks!(no_interrupt, a_waiter_that_does_not_interrupt_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const REGISTERED: bool = true;
        const INTERRUPTS: bool = false;
    }
);
mutant_deadlocks!(no_fence_on_demand, a_check_without_the_demanded_fence_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const REGISTERED: bool = true;
        const REFUSED: bool = true;
        const CHECKS_AGAIN: bool = false;
    }
);
mutant_deadlocks!(unfenced_demand, a_demand_without_a_fence_behind_it_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const ANNOUNCE_FENCED: bool = false;
        const REGISTERED: bool = true;
        const REFUSED: bool = true;
    }
);
mutant_deadlocks!(relaxed_wake_up, a_relaxed_wake_up_of_a_read_only_waiter_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const WAKE: Ordering = Ordering::Relaxed;
        const REGISTERED: bool = true;
        const ANNOUNCES: bool = false;
        const UNASKED: bool = true;
    }
);
// Another waiter announces itself at the same time.
mutant_deadlocks!(wake_up_once, a_wake_up_that_is_not_tried_again_is_caught, meet::<Mutant>(3, 2, 1),
    impl ModelMutations for Mutant {
        const RETRIES: bool = false;
        const REGISTERED: bool = true;
        const ANNOUNCES: bool = false;
        const UNASKED: bool = true;
    }
);
mutant_deadlocks!(unfenced_announcement, an_unfenced_announcement_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const ANNOUNCE_FENCED: bool = false;
    }
);
mutant_deadlocks!(unfenced_notification, an_unfenced_notification_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const NOTIFY_FENCED: bool = false;
    }
);
mutant_deadlocks!(no_second_check, a_wait_without_a_second_check_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const RECHECKS: bool = false;
    }
);
// It clears the bit, which the next to announce itself sets again.
mutant_deadlocks!(uncounted_wake_up, a_wake_up_that_does_not_count_is_caught, meet::<Mutant>(3, 2, 1),
    impl ModelMutations for Mutant {
        const INCREMENT: u32 = 0;
    }
);
mutant_deadlocks!(unfenced_look, an_unfenced_look_of_a_read_only_waiter_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const ANNOUNCE_FENCED: bool = false;
        const ANNOUNCES: bool = false;
        const UNASKED: bool = true;
    }
);
// The word stays as it was.
mutant_deadlocks!(uncounted_unasked_wake_up, an_unasked_wake_up_that_does_not_count_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const INCREMENT: u32 = 0;
        const ANNOUNCES: bool = false;
        const UNASKED: bool = true;
    }
);
mutant_deadlocks!(look_without_second_check, a_look_without_a_second_check_is_caught, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const RECHECKS: bool = false;
        const ANNOUNCES: bool = false;
        const UNASKED: bool = true;
    }
);
// What a read-only waiter cannot rely on: it polls.
mutant_deadlocks!(asked_wake_up, a_read_only_waiter_is_not_woken_unless_unasked, meet::<Mutant>(3, 1, 1),
    impl ModelMutations for Mutant {
        const ANNOUNCES: bool = false;
    }
);
