//! The barrier under loom. Bounds: two seats and two rounds, or three seats and one round; two threads; three forced
//! preemptions. Waiters check again only when they are woken, so the end of a slice cannot hide a lost wake-up.

mod seats;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::barrier::{
    BarrierWords, RoundOutcome, arrive, has_arrived, round, try_complete, wait,
};
use crate::protocol::claim_word::{self as word, POISON};
use crate::protocol::eventcount::{WaitEnv, WakeAll};
use crate::protocol::loom::{FutexQueue, Product, Schedule, check, mutant_deadlocks, mutant_fails};
use crate::protocol::wait::WaitStep;

/// The participant that takes the seat of a dead one over.
const SUCCESSOR: u32 = 4;

/// The single step that differs.
trait ModelMutations: 'static {
    const ARRIVE: Ordering = <Product as BarrierWords>::ARRIVE;
    const LOAD: Ordering = <Product as BarrierWords>::LOAD;
    const ROUND: Ordering = <Product as BarrierWords>::ROUND;
    const WRITABLE: bool = true;
    const COMPLETE: Ordering = <Product as BarrierWords>::COMPLETE;
    /// The ordering of the check for `POISON`.
    const POISONED: Ordering = word::LOAD;
    /// The kernel's, of the probe.
    const PROBE: Ordering = Ordering::Acquire;
    /// Whether a fence follows an arrival.
    const FENCED: bool = <Product as WaitEnv>::FENCED;
    const RECHECKS: bool = <Product as BarrierWords>::RECHECKS;
    const WAKES: bool = true;
    /// Whether all seats are checked.
    const LOOKS_AT_ALL: bool = true;
}

struct Correct;
impl ModelMutations for Correct {}

/// An observer with a read-only mapping.
struct ThroughReadOnly;
impl ModelMutations for ThroughReadOnly {
    const WRITABLE: bool = false;
}

struct Shared<V> {
    round: AtomicU32,
    seats: usize,
    arrived: [AtomicU32; 3],
    /// By seat. At first seat `n` is participant `n + 1`'s.
    claims: [AtomicU32; 3],
    /// By participant: whether its byte is locked.
    locks: [AtomicU32; 5],
    /// What participants work on, and exchange from round to round.
    work: [UnsafeCell<u32>; 2],
    queue: FutexQueue,
    mutations: std::marker::PhantomData<V>,
}

impl<V: ModelMutations> BarrierWords for Shared<V> {
    const ARRIVE: Ordering = V::ARRIVE;
    const LOAD: Ordering = V::LOAD;
    const ROUND: Ordering = V::ROUND;
    const WRITABLE: bool = V::WRITABLE;
    const COMPLETE: Ordering = V::COMPLETE;
    const RECHECKS: bool = V::RECHECKS;

    fn round(&self) -> &AtomicU32 {
        &self.round
    }

    fn seats(&self) -> usize {
        if V::LOOKS_AT_ALL { self.seats } else { 1 }
    }

    fn arrived(&self, seat: usize) -> &AtomicU32 {
        &self.arrived[seat]
    }

    fn is_dead(&self, seat: usize) -> bool {
        let claim = &self.claims[seat];
        if word::is_poisoned(claim, V::POISONED, V::WRITABLE) {
            return true;
        }
        // The probe does for this.
        let owner = word::owner(claim, Ordering::Relaxed, V::WRITABLE);
        owner != 0 && self.locks[owner as usize].load(V::PROBE) == 0
    }
}

impl<V: ModelMutations> WakeAll for Shared<V> {
    fn wake_all(&self, _: &AtomicU32) {
        if V::WAKES {
            self.queue.wake_all();
        }
    }
}

impl<V> word::WakeOne for Shared<V> {
    /// Nobody sleeps on a claim.
    fn wake(&self, _: &AtomicU32) {}
}

/// A wait that only a wake-up ends.
struct Waiter<'a, V>(&'a FutexQueue, std::marker::PhantomData<V>);

impl<V: ModelMutations> WaitEnv for Waiter<'_, V> {
    const FENCED: bool = V::FENCED;

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

/// A wait that probes a few times, then gives up.
struct Probing(Schedule);

impl Probing {
    fn times(probes: u32) -> Self {
        Self(Schedule::Probes(probes))
    }
}

impl WaitEnv for Probing {
    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        self.0.next()
    }

    fn sleep(&mut self, _: &AtomicU32, _: u32) {}
}

impl<V: ModelMutations> Shared<V> {
    fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self {
            round: AtomicU32::new(0),
            seats,
            arrived: std::array::from_fn(|_| AtomicU32::new(0)),
            claims: std::array::from_fn(|seat| AtomicU32::new(seat as u32 + 1)),
            locks: std::array::from_fn(|_| AtomicU32::new(1)),
            work: std::array::from_fn(|_| UnsafeCell::new(0)),
            queue: FutexQueue::new(),
            mutations: std::marker::PhantomData,
        })
    }

    /// Works on one of the places. Loom fails if another thread may access it at the same time.
    fn add_one(&self, place: usize) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.work[place].with_mut(|work| unsafe { *work += 1 });
    }

    /// Waits for the other participant. Returns whether this one is the leader.
    fn meet(&self, seat: usize, number: u32) -> bool {
        match self.try_meet(seat, number) {
            Some(RoundOutcome::Passed { next, leader }) => {
                assert_eq!(next, number + 1);
                leader
            }
            other => panic!("{other:?}"),
        }
    }

    fn try_meet(&self, seat: usize, number: u32) -> Option<RoundOutcome> {
        arrive(self, seat, number);
        // The last to arrive does not wait, so no fence comes between its arrival and the end of the round.
        try_complete(self, number, self).or_else(|| {
            let mut env = Waiter::<V>(&self.queue, std::marker::PhantomData);
            wait(self, number, &mut env, self)
        })
    }
}

/// Two participants pass two rounds, and work on each other's places in between.
fn rounds<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::<V>::new(2);
        let work = |shared: &Shared<V>, seat: usize| {
            shared.add_one(seat);
            let first = shared.meet(seat, 0);
            shared.add_one(1 - seat);
            let second = shared.meet(seat, 1);
            shared.add_one(seat);
            [first, second]
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || work(&shared, 1))
        };
        let mine = work(&shared, 0);
        let others = other.join().unwrap();
        for (mine, other) in mine.into_iter().zip(others) {
            assert!(mine != other, "a round has one leader");
        }
        assert_eq!(round(&*shared), 2);
        for place in &shared.work {
            // SAFETY: all threads have been joined.
            place.with(|work| assert_eq!(unsafe { *work }, 3));
        }
    });
}

/// A single participant passes a round. An observer that sees the new round sees what was done before it.
fn onlooker<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::<V>::new(1);
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if round(&*shared) == 1 {
                    shared.add_one(0);
                }
            })
        };
        shared.add_one(0);
        assert!(shared.meet(0, 0));
        other.join().unwrap();
    });
}

/// One of two participants dies, before or after it has arrived, and a third process takes the seat over.
fn death(arrives: bool) {
    check(3, move || {
        let shared = Shared::<Correct>::new(2);
        let survivor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                arrive(&*shared, 0, 0);
                match wait(&*shared, 0, &mut Probing::times(1), &*shared) {
                    Some(RoundOutcome::Passed { next, .. }) => assert_eq!(next, 1),
                    outcome => {
                        let reported = outcome.is_some();
                        assert!(
                            !reported
                                || !arrives && outcome == Some(RoundOutcome::Died { seat: 1 })
                        );
                        // Until the seat is taken over, it is found dead before each sleep.
                        let mut outcome = shared.try_meet(0, 0);
                        while outcome == Some(RoundOutcome::Died { seat: 1 }) {
                            assert!(!arrives);
                            thread::yield_now();
                            outcome = shared.try_meet(0, 0);
                        }
                        assert!(matches!(
                            outcome,
                            Some(RoundOutcome::Passed { next: 1, .. })
                        ));
                    }
                }
                shared.add_one(1);
            })
        };
        if arrives {
            shared.add_one(1);
            arrive(&*shared, 1, 0);
        }
        shared.locks[2].store(0, Ordering::Release);
        // The successor's probe, and its claim.
        assert_eq!(shared.locks[2].load(Ordering::Acquire), 0);
        shared.claims[1].store(SUCCESSOR | POISON, Ordering::Relaxed);
        if round(&*shared) == 0 {
            assert_eq!(has_arrived(&*shared, 1, 0), arrives);
            if !arrives {
                shared.add_one(1);
            }
            shared.meet(1, 0);
        } else {
            assert!(arrives);
        }
        survivor.join().unwrap();
        assert_eq!(round(&*shared), 1);
        // SAFETY: all threads have been joined.
        shared.work[1].with(|work| assert_eq!(unsafe { *work }, 2));
    });
}

/// One of three participants dies after it has arrived, or leaves in a panic, and the third, which is alive, does not arrive: no
/// death is reported.
fn end_after_arriving<V: ModelMutations>(panics: bool) {
    check(3, move || {
        let shared = Shared::<V>::new(3);
        let survivor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                arrive(&*shared, 0, 0);
                let outcome = wait(&*shared, 0, &mut Probing::times(2), &*shared);
                assert_eq!(outcome, None);
            })
        };
        arrive(&*shared, 1, 0);
        if panics {
            word::release(&shared.claims[1], 2, true, &*shared);
        } else {
            shared.locks[2].store(0, Ordering::Release);
        }
        survivor.join().unwrap();
    });
}

#[test]
fn two_meet_twice() {
    rounds::<Correct>(3);
}

#[test]
fn a_death_before_arriving_is_reported_and_can_be_replaced() {
    death(false);
}

#[test]
fn the_arrival_of_the_dead_stays() {
    death(true);
}

#[test]
fn a_death_after_arriving_is_not_reported() {
    end_after_arriving::<Correct>(false);
}

#[test]
fn a_panic_after_arriving_is_not_reported() {
    end_after_arriving::<Correct>(true);
}

#[test]
fn a_passed_round_shows_what_came_before() {
    onlooker::<Correct>();
}

#[test]
fn a_passed_round_shows_what_came_before_read_only() {
    onlooker::<ThroughReadOnly>();
}

mutant_fails!(a_relaxed_arrival_is_caught, rounds::<Mutant>(2),
    impl ModelMutations for Mutant {
        const ARRIVE: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_load_of_arrivals_is_caught, rounds::<Mutant>(2),
    impl ModelMutations for Mutant {
        const LOAD: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_seat_that_is_not_checked_is_caught, rounds::<Mutant>(2),
    impl ModelMutations for Mutant {
        const LOOKS_AT_ALL: bool = false;
    }
);
mutant_fails!(no_recheck_of_the_arrival_after_a_death_is_caught, end_after_arriving::<Mutant>(false),
    impl ModelMutations for Mutant {
        const RECHECKS: bool = false;
    }
);
mutant_fails!(a_relaxed_load_of_the_round_is_caught, rounds::<Mutant>(2),
    impl ModelMutations for Mutant {
        const ROUND: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_load_of_the_round_by_an_observer_is_caught, onlooker::<Mutant>(),
    impl ModelMutations for Mutant {
        const ROUND: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_completion_that_does_not_release_is_caught, rounds::<Mutant>(2),
    impl ModelMutations for Mutant {
        const COMPLETE: Ordering = Ordering::Acquire;
    }
);
mutant_fails!(a_relaxed_probe_is_caught, end_after_arriving::<Mutant>(false),
    impl ModelMutations for Mutant {
        const PROBE: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_load_of_the_poison_is_caught, end_after_arriving::<Mutant>(true),
    impl ModelMutations for Mutant {
        const POISONED: Ordering = Ordering::Relaxed;
    }
);
mutant_deadlocks!(nobody_is_woken, a_completion_that_does_not_wake_is_caught, rounds::<Mutant>(2),
    impl ModelMutations for Mutant {
        const WAKES: bool = false;
    }
);
mutant_deadlocks!(unfenced_arrival, an_unfenced_arrival_is_caught, rounds::<Mutant>(2),
    impl ModelMutations for Mutant {
        const FENCED: bool = false;
    }
);
