//! The claim word under loom. Bounds: two or three processes; one claim each, and two of the owner where a waiter gives up;
//! three forced preemptions.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::claim_word::{self as word, ClaimEnv, POISON, WAITERS, WakeOne};
use crate::protocol::loom::{FutexQueue, Product, Schedule, check, mutant_deadlocks, mutant_fails};
use crate::protocol::wait::WaitStep;

/// The single step that differs.
trait ModelMutations: 'static {
    const CLAIM: Ordering = <Product as ClaimEnv>::CLAIM;
    const RELEASE: Ordering = <Product as WakeOne>::RELEASE;
    /// The kernel's.
    const PROBE: Ordering = Ordering::Acquire;
    /// Whether a release wakes a waiter.
    const WAKES: bool = true;
    /// Whether a probe reports living owners as alive.
    const TRUTHFUL: bool = true;
    /// The flags that a claim keeps for sleepers.
    const KEPT_FLAGS: u32 = <Product as ClaimEnv>::KEPT_FLAGS;
    /// Whether a waiter that gives up passes its wake-up on.
    const PASSES_ON: bool = <Product as ClaimEnv>::PASSES_ON;
}

struct Correct;
impl ModelMutations for Correct {}

/// A segment: the word, what it protects, and the kernel's side.
struct Shared {
    word: AtomicU32,
    value: UnsafeCell<u32>,
    /// By id: whether the participant's byte is locked.
    locks: [AtomicU32; 4],
    queue: FutexQueue,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU32::new(0),
            value: UnsafeCell::new(0),
            locks: std::array::from_fn(|_| AtomicU32::new(1)),
            queue: FutexQueue::new(),
        })
    }

    /// The owner's work. Loom fails if another thread may do it at the same time, or if an earlier change is not visible.
    fn add_one(&self) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn die(&self, me: u32) {
        self.locks[me as usize].store(0, Ordering::Release);
    }
}

struct Process<'a, V> {
    shared: &'a Shared,
    schedule: Schedule,
    /// Whether to give up after having slept once.
    sleeps_once: bool,
    mutations: std::marker::PhantomData<V>,
}

impl<'a, V: ModelMutations> Process<'a, V> {
    /// One that sleeps until woken.
    fn patient(shared: &'a Shared) -> Self {
        Self {
            shared,
            schedule: Schedule::UntilWoken,
            sleeps_once: false,
            mutations: std::marker::PhantomData,
        }
    }

    fn probing(shared: &'a Shared, probes: u32) -> Self {
        Self {
            schedule: Schedule::Probes(probes),
            ..Self::patient(shared)
        }
    }

    /// One that gives up after the first wake-up.
    fn late(shared: &'a Shared) -> Self {
        Self {
            sleeps_once: true,
            ..Self::patient(shared)
        }
    }

    fn claim(mut self, me: u32) -> Option<word::Claimed> {
        word::claim(&self.shared.word, me, &mut self)
    }
}

impl<V: ModelMutations> ClaimEnv for Process<'_, V> {
    const CLAIM: Ordering = V::CLAIM;
    const KEPT_FLAGS: u32 = V::KEPT_FLAGS;
    const PASSES_ON: bool = V::PASSES_ON;

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        self.schedule.next()
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        thread::yield_now();
        let locked = self.shared.locks[owner as usize].load(V::PROBE) == 1;
        !locked || !V::TRUTHFUL
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        self.shared.queue.sleep(word, seen);
        if self.sleeps_once {
            self.schedule = Schedule::Probes(0);
        }
    }
}

impl<V: ModelMutations> WakeOne for Process<'_, V> {
    const RELEASE: Ordering = V::RELEASE;

    fn wake(&self, _: &AtomicU32) {
        if V::WAKES {
            self.shared.queue.wake(1);
        }
    }
}

/// `count` processes take turns, each woken by the previous owner.
fn turns<V: ModelMutations>(count: u32) {
    check(3, move || {
        let shared = Shared::new();
        let work = |shared: &Shared, me| {
            let claimed = Process::<V>::patient(shared).claim(me).unwrap();
            assert!(!claimed.poisoned);
            shared.add_one();
            word::release(&shared.word, me, false, &Process::<V>::patient(shared));
        };
        let others: Vec<_> = (2..=count)
            .map(|me| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || work(&shared, me))
            })
            .collect();
        work(&shared, 1);
        for other in others {
            other.join().unwrap();
        }
        shared.value.with(|value| {
            // SAFETY: all threads have been joined.
            assert_eq!(unsafe { *value }, count);
        });
        assert_eq!(shared.word.load(Ordering::Relaxed), 0);
    });
}

/// Two processes that claim only a free word, as the first step of every claim does.
fn glances(claim_free: fn(&AtomicU32, u32) -> bool) {
    check(3, move || {
        let shared = Shared::new();
        let work = move |shared: &Shared, me| {
            let claimed = claim_free(&shared.word, me);
            if claimed {
                shared.add_one();
                let waker = Process::<Correct>::patient(shared);
                word::release(&shared.word, me, false, &waker);
            }
            u32::from(claimed)
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || work(&shared, 2))
        };
        let claims = work(&shared, 1) + other.join().unwrap();
        assert!(claims > 0);
        shared.value.with(|value| {
            // SAFETY: both threads are done.
            assert_eq!(unsafe { *value }, claims);
        });
    });
}

/// The first dies as the owner, and `takers` others find out.
fn death<V: ModelMutations>(takers: u32) {
    check(3, move || {
        let shared = Shared::new();
        let takers: Vec<_> = (2..2 + takers)
            .map(|me| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let claimed = Process::<V>::probing(&shared, 2).claim(me)?;
                    shared.add_one();
                    let waker = Process::<V>::patient(&shared);
                    word::release(&shared.word, me, claimed.poisoned, &waker);
                    Some(claimed.poisoned)
                })
            })
            .collect();
        // Before or after the others' probes: loom tries both.
        let owned = word::claim_free_as(&shared.word, 1, V::CLAIM);
        if owned {
            shared.add_one();
        }
        shared.die(1);
        let poisoned: Vec<_> = takers
            .into_iter()
            .filter_map(|taker| taker.join().unwrap())
            .collect();
        let word = shared.word.load(Ordering::Relaxed);
        if !owned {
            assert!(poisoned.iter().all(|poisoned| !poisoned));
        } else if poisoned.contains(&true) {
            // No owner has marked it as consistent.
            assert_eq!(word, POISON);
        } else {
            assert_eq!(
                word & !WAITERS,
                1,
                "a dead owner keeps it until a process probes"
            );
        }
    });
}

/// The first dies as the owner. Another takes over while a third may be asleep until it is woken.
fn death_of_the_owner_with_a_sleeper<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::new();
        assert!(word::claim_free_as(&shared.word, 1, V::CLAIM));
        shared.add_one();
        let sleeper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let claimed = Process::<V>::patient(&shared).claim(2).unwrap();
                assert!(!claimed.poisoned);
                shared.add_one();
                word::release(&shared.word, 2, false, &Process::<V>::patient(&shared));
            })
        };
        shared.die(1);
        let claimed = Process::<V>::probing(&shared, 1).claim(3).unwrap();
        assert!(claimed.poisoned);
        shared.add_one();
        word::release(&shared.word, 3, false, &Process::<V>::patient(&shared));
        sleeper.join().unwrap();
    });
}

/// The owner releases and claims again. Of two waiters, one sleeps until woken, and one gives up after the first wake-up.
fn giving_up<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::new();
        assert!(word::claim_free_as(&shared.word, 1, V::CLAIM));
        let waiters = [2, 3].map(|me| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let process = match me {
                    2 => Process::<V>::patient(&shared),
                    _ => Process::<V>::late(&shared),
                };
                if process.claim(me).is_some() {
                    shared.add_one();
                    word::release(&shared.word, me, false, &Process::<V>::patient(&shared));
                }
            })
        });
        let waker = Process::<V>::patient(&shared);
        word::release(&shared.word, 1, false, &waker);
        if word::claim_free_as(&shared.word, 1, V::CLAIM) {
            shared.add_one();
            word::release(&shared.word, 1, false, &waker);
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(shared.word.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn two_processes_take_turns() {
    turns::<Correct>(2);
}

#[test]
fn a_free_word_is_claimed_by_one_at_a_time() {
    glances(word::claim_free);
}

#[test]
fn three_processes_take_turns() {
    turns::<Correct>(3);
}

#[test]
fn a_take_over_wakes_a_sleeper() {
    death_of_the_owner_with_a_sleeper::<Correct>();
}

#[test]
fn giving_up_leaves_nobody_asleep() {
    giving_up::<Correct>();
}

#[test]
fn one_waiter_takes_over_after_a_death() {
    death::<Correct>(1);
}

#[test]
fn one_of_two_waiters_takes_over_after_a_death() {
    death::<Correct>(2);
}

#[test]
#[should_panic]
fn a_relaxed_claim_of_a_free_word_is_caught() {
    glances(|word, me| word::claim_free_as(word, me, Ordering::Relaxed));
}

mutant_fails!(a_relaxed_claim_is_caught, turns::<Mutant>(2),
    impl ModelMutations for Mutant {
        const CLAIM: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_release_is_caught, turns::<Mutant>(2),
    impl ModelMutations for Mutant {
        const RELEASE: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_probe_is_caught, death::<Mutant>(1),
    impl ModelMutations for Mutant {
        const PROBE: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_probe_that_calls_the_living_dead_is_caught, death::<Mutant>(1),
    impl ModelMutations for Mutant {
        const TRUTHFUL: bool = false;
    }
);
mutant_deadlocks!(nobody_wakes, a_release_that_does_not_wake_is_caught, turns::<Mutant>(2),
    impl ModelMutations for Mutant {
        const WAKES: bool = false;
    }
);
mutant_deadlocks!(flag_dropped, a_claim_that_drops_the_flag_of_sleepers_is_caught, turns::<Mutant>(3),
    impl ModelMutations for Mutant {
        const KEPT_FLAGS: u32 = 0;
    }
);
mutant_deadlocks!(
    flag_dropped_in_a_take_over,
    a_take_over_that_drops_the_flag_of_sleepers_is_caught,
    death_of_the_owner_with_a_sleeper::<Mutant>(),
    impl ModelMutations for Mutant {
        const KEPT_FLAGS: u32 = 0;
    }
);
mutant_deadlocks!(wake_up_swallowed, giving_up_without_passing_the_wake_up_on_is_caught, giving_up::<Mutant>(),
    impl ModelMutations for Mutant {
        const PASSES_ON: bool = false;
    }
);
