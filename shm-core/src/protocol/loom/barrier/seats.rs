//! Leaving a seat and waiting for one. Bounds: one seat or two; up to two waiters; three forced preemptions.

use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use super::Probing;
use crate::primitive::Ordering;
use crate::protocol::barrier::{SeatTable, notify_left, wait_for_seat};
use crate::protocol::claim_word::{self as word, ID, POISON};
use crate::protocol::eventcount::{WaitEnv, WakeAll};
use crate::protocol::loom::eventcount::UntilWoken;
use crate::protocol::loom::{FutexQueue, Product, check, mutant_deadlocks, mutant_fails};
use crate::protocol::wait::WaitStep;

/// The single step that differs.
trait ModelMutations: Send + Sync + 'static {
    const RELEASE: Ordering = <Product as word::WakeOne>::RELEASE;
    const CLAIM: Ordering = <Product as word::ClaimEnv>::CLAIM;
    /// The kernel's.
    const PROBE: Ordering = Ordering::Acquire;
    /// Whether a waiter looks for a free seat before it takes one.
    const LOOKS: bool = true;
    /// Whether leaving notifies, after a full fence, and with a wake-up that counts.
    const NOTIFIES: bool = true;
    const FENCED: bool = <Product as WakeAll>::FENCED;
    const INCREMENT: u32 = <Product as WakeAll>::INCREMENT;
    /// Whether it notifies after leaving, and not before.
    const LEAVES_FIRST: bool = true;
}

struct Correct;
impl ModelMutations for Correct {}

/// A barrier's seats, what each owner works on, and the kernel's side.
struct Shared<V> {
    left: AtomicU32,
    claims: Vec<AtomicU32>,
    work: Vec<UnsafeCell<u32>>,
    /// By id: whether the participant lives.
    lives: [AtomicU32; 4],
    queue: FutexQueue,
    mutations: PhantomData<V>,
}

impl<V: ModelMutations> Shared<V> {
    /// All seats are the first participant's.
    fn taken(seats: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicU32::new(0),
            claims: (0..seats).map(|_| AtomicU32::new(1)).collect(),
            work: (0..seats).map(|_| UnsafeCell::new(0)).collect(),
            lives: std::array::from_fn(|_| AtomicU32::new(1)),
            queue: FutexQueue::new(),
            mutations: PhantomData,
        })
    }

    /// The work of a seat's owner. Loom fails if another thread may do it at the same time, or if an earlier owner's work is not
    /// visible.
    fn add_one(&self, seat: usize) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.work[seat].with_mut(|work| unsafe { *work += 1 });
    }

    fn join(&self, me: u32, env: &mut impl WaitEnv) -> Option<usize> {
        wait_for_seat(&Joining { shared: self, me }, env)
    }

    fn leave(&self, me: u32, seat: usize, poison: bool) {
        if V::NOTIFIES && !V::LEAVES_FIRST {
            notify_left(&self.left, self);
        }
        word::release(&self.claims[seat], me, poison, self);
        if V::NOTIFIES && V::LEAVES_FIRST {
            notify_left(&self.left, self);
        }
    }
}

impl<V: ModelMutations> word::WakeOne for Shared<V> {
    const RELEASE: Ordering = V::RELEASE;

    /// Nobody sleeps on a claim.
    fn wake(&self, _: &AtomicU32) {}
}

impl<V: ModelMutations> WakeAll for Shared<V> {
    const FENCED: bool = V::FENCED;
    const INCREMENT: u32 = V::INCREMENT;

    fn wake_all(&self, _: &AtomicU32) {
        self.queue.wake_all();
    }
}

/// A process that wants a seat.
struct Joining<'a, V> {
    shared: &'a Shared<V>,
    me: u32,
}

impl<V: ModelMutations> SeatTable for Joining<'_, V> {
    type Taken = usize;

    fn left(&self) -> &AtomicU32 {
        &self.shared.left
    }

    fn seats(&self) -> usize {
        self.shared.claims.len()
    }

    fn is_free(&self, seat: usize) -> bool {
        // Taking it acquires.
        V::LOOKS && word::owner(&self.shared.claims[seat], Ordering::Relaxed, true) == 0
    }

    fn take(&self, seat: usize) -> Option<usize> {
        let mut once = Once(self.shared);
        word::claim(&self.shared.claims[seat], self.me, &mut once).map(|_| seat)
    }
}

/// A claim that does not wait, but probes the owner.
struct Once<'a, V>(&'a Shared<V>);

impl<V: ModelMutations> word::ClaimEnv for Once<'_, V> {
    const CLAIM: Ordering = V::CLAIM;

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        WaitStep::FinalProbe
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        thread::yield_now();
        self.0.lives[owner as usize].load(V::PROBE) == 0
    }

    fn sleep(&mut self, _: &AtomicU32, _: u32) {}
}

impl<V> word::WakeOne for Once<'_, V> {
    fn wake(&self, _: &AtomicU32) {}
}

/// Some wait for the only seat, which goes from each to the next. Only a wake-up gets them on.
fn handed_on<V: ModelMutations>(waiters: u32, poison: bool) {
    check(3, move || {
        let shared = Shared::<V>::taken(1);
        let waiters: Vec<_> = (2..2 + waiters)
            .map(|me| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let seat = shared.join(me, &mut UntilWoken(&shared.queue)).unwrap();
                    shared.add_one(seat);
                    shared.leave(me, seat, false);
                })
            })
            .collect();
        shared.add_one(0);
        shared.leave(1, 0, poison);
        let count = 1 + waiters.len() as u32;
        for waiter in waiters {
            waiter.join().unwrap();
        }
        // SAFETY: all threads have been joined.
        shared.work[0].with(|work| assert_eq!(unsafe { *work }, count));
        // After a panic or a death, the next owner of the seat leaves it in order.
        assert_eq!(shared.claims[0].load(Ordering::Relaxed), 0);
    });
}

/// The owner of two seats leaves the second, takes it again if it is faster than the waiter, then leaves both.
fn coming_back<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::<V>::taken(2);
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let seat = shared.join(2, &mut UntilWoken(&shared.queue)).unwrap();
                shared.add_one(seat);
            })
        };
        shared.leave(1, 1, false);
        if word::claim_free(&shared.claims[1], 1) {
            shared.add_one(1);
            shared.leave(1, 1, false);
        }
        waiter.join().unwrap();
    });
}

/// Two wait for two seats, which are left one after the other, and keep what they get.
fn left_to_two<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::<V>::taken(2);
        let waiters = [2, 3].map(|me| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let seat = shared.join(me, &mut UntilWoken(&shared.queue)).unwrap();
                shared.add_one(seat);
                seat
            })
        });
        for seat in 0..2 {
            shared.add_one(seat);
            shared.leave(1, seat, false);
        }
        let seats = waiters.map(|waiter| waiter.join().unwrap());
        assert_ne!(seats[0], seats[1]);
    });
}

/// The first process dies with the only seat. A waiter finds out, or times out.
fn death<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::<V>::taken(1);
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let seat = shared.join(2, &mut Probing::times(1));
                if let Some(seat) = seat {
                    shared.add_one(seat);
                }
                seat
            })
        };
        shared.add_one(0);
        shared.lives[1].store(0, Ordering::Release);
        let seat = waiter.join().unwrap();
        let claim = shared.claims[0].load(Ordering::Relaxed);
        assert_eq!(claim & ID, if seat.is_some() { 2 } else { 1 });
        assert_eq!(claim & POISON != 0, seat.is_some());
    });
}

#[test]
fn leaving_wakes_a_process_that_waits_for_a_seat() {
    handed_on::<Correct>(1, false);
}

#[test]
fn leaving_in_a_panic_wakes_one_that_waits_for_a_seat() {
    handed_on::<Correct>(1, true);
}

#[test]
fn a_seat_goes_from_each_to_the_next() {
    handed_on::<Correct>(2, false);
}

#[test]
fn leaving_joining_and_leaving_wakes_a_waiter() {
    coming_back::<Correct>();
}

#[test]
fn two_that_wait_get_the_seats_that_are_left() {
    left_to_two::<Correct>();
}

#[test]
fn a_waiter_finds_the_seat_of_a_dead_owner() {
    death::<Correct>();
}

mutant_fails!(leaving_relaxed_is_caught, handed_on::<Mutant>(1, false),
    impl ModelMutations for Mutant {
        const RELEASE: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(taking_a_seat_relaxed_is_caught, handed_on::<Mutant>(1, false),
    impl ModelMutations for Mutant {
        const CLAIM: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_probe_is_caught, death::<Mutant>(),
    impl ModelMutations for Mutant {
        const PROBE: Ordering = Ordering::Relaxed;
    }
);
mutant_deadlocks!(leaves_without_a_word, leaving_without_a_word_is_caught, handed_on::<Mutant>(1, false),
    impl ModelMutations for Mutant {
        const NOTIFIES: bool = false;
    }
);
mutant_deadlocks!(leaves_without_a_fence, leaving_without_a_fence_is_caught, handed_on::<Mutant>(1, false),
    impl ModelMutations for Mutant {
        const FENCED: bool = false;
    }
);
mutant_deadlocks!(notifies_before_leaving, notifying_before_leaving_is_caught, handed_on::<Mutant>(1, false),
    impl ModelMutations for Mutant {
        const LEAVES_FIRST: bool = false;
    }
);
mutant_deadlocks!(never_looks, never_looking_for_a_free_seat_is_caught, handed_on::<Mutant>(1, false),
    impl ModelMutations for Mutant {
        const LOOKS: bool = false;
    }
);
// As if `round` were slept on, which leaving does not move.
mutant_deadlocks!(leaves_uncounted, leaving_that_does_not_count_is_caught, left_to_two::<Mutant>(),
    impl ModelMutations for Mutant {
        const INCREMENT: u32 = 0;
    }
);
