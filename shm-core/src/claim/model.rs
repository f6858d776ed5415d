//! The claim word under loom, which tries every order of steps and every value that the memory model allows a load.
//!
//! Bounds: two or three processes, played by threads; one claim each, and two of the owner's beside one that gives up; three
//! forced preemptions. A death is a thread that gives up its lock cell with `Release` and stops; the probe reads that cell
//! with `Acquire`, as the kernel's lock does.
//! Each model that must fail differs from one that passes in a single step.

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU32;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::word::{self, POISON, Turn, WAITERS, Wake, World};
use crate::primitive::Ordering;
use crate::sync::eventcount::model::assert_stuck;

/// The single step that differs.
trait Variant: 'static {
    const CLAIM: Ordering = Ordering::Acquire;
    const RELEASE: Ordering = Ordering::Release;
    const PROBE: Ordering = Ordering::Acquire;
    /// Whether a release wakes.
    const WAKES: bool = true;
    /// Whether a probe tells the truth.
    const TRUTHFUL: bool = true;
    /// What a claim keeps of the flag of those who sleep.
    const KEPT: u32 = WAITERS;
    /// Whether who gives up passes a wake-up on.
    const PASSES_ON: bool = true;
}

struct Sound;
impl Variant for Sound {}

/// A segment: the word, what it protects, and the kernel's side of it.
struct Shared {
    word: AtomicU32,
    value: UnsafeCell<u32>,
    /// By id: whether the participant's byte is locked.
    locks: [AtomicU32; 4],
    /// The futex: the compare and the sleep are one step to who wakes.
    bucket: Mutex<()>,
    sleepers: Condvar,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU32::new(0),
            value: UnsafeCell::new(0),
            locks: std::array::from_fn(|_| AtomicU32::new(1)),
            bucket: Mutex::new(()),
            sleepers: Condvar::new(),
        })
    }

    /// What the owner does. Loom fails if anybody else may be at it, or if an earlier change is not visible.
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
    /// How often to probe before giving up; `None`: never, and sleep until woken.
    probes: Option<u32>,
    /// Whether to give up after having slept once.
    sleeps_once: bool,
    variant: std::marker::PhantomData<V>,
}

impl<'a, V: Variant> Process<'a, V> {
    /// One that only a wake-up gets on.
    fn patient(shared: &'a Shared) -> Self {
        Self {
            shared,
            probes: None,
            sleeps_once: false,
            variant: std::marker::PhantomData,
        }
    }

    fn probing(shared: &'a Shared, probes: u32) -> Self {
        Self {
            probes: Some(probes),
            ..Self::patient(shared)
        }
    }

    /// One that is woken once, and whose time is up then.
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

impl<V: Variant> World for Process<'_, V> {
    const CLAIM: Ordering = V::CLAIM;
    const KEPT: u32 = V::KEPT;
    const PASSES_ON: bool = V::PASSES_ON;

    fn spins(&self) -> u32 {
        0
    }

    fn turn(&mut self) -> Turn {
        match &mut self.probes {
            None => Turn::Wait,
            Some(0) => Turn::Last,
            Some(left) => {
                *left -= 1;
                Turn::Probe
            }
        }
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        thread::yield_now();
        let locked = self.shared.locks[owner as usize].load(V::PROBE) == 1;
        !locked || !V::TRUTHFUL
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        let bucket = self.shared.bucket.lock().unwrap();
        if word.load(Ordering::Relaxed) == seen {
            drop(self.shared.sleepers.wait(bucket).unwrap());
        }
        if self.sleeps_once {
            self.probes = Some(0);
        }
    }
}

impl<V: Variant> Wake for Process<'_, V> {
    const RELEASE: Ordering = V::RELEASE;

    fn wake(&self, _: &AtomicU32) {
        if V::WAKES {
            let _bucket = self.shared.bucket.lock().unwrap();
            self.shared.sleepers.notify_one();
        }
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// `count` processes take turns, each woken by the one before.
fn turns<V: Variant>(count: u32) {
    check(move || {
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

/// The first dies as the owner, and `takers` others find out.
fn death<V: Variant>(takers: u32) {
    check(move || {
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
        // In time or too late, as loom likes.
        let owned = word::claim_free(&shared.word, 1);
        if owned {
            shared.add_one();
        }
        shared.die(1);
        let told: Vec<_> = takers
            .into_iter()
            .filter_map(|taker| taker.join().unwrap())
            .collect();
        let word = shared.word.load(Ordering::Relaxed);
        if !owned {
            assert!(told.iter().all(|poisoned| !poisoned));
        } else if told.contains(&true) {
            // Nobody has made it consistent.
            assert_eq!(word, POISON);
        } else {
            assert_eq!(word & !WAITERS, 1, "the dead keep it until somebody looks");
        }
    });
}

/// The first dies as the owner. Another finds out while a third may be asleep, which only a wake-up gets on.
fn death_beside_a_sleeper<V: Variant>() {
    check(|| {
        let shared = Shared::new();
        assert!(word::claim_free(&shared.word, 1));
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

/// The owner releases and claims again, beside one that is patient and one that gives up once it has been woken.
fn giving_up<V: Variant>() {
    check(|| {
        let shared = Shared::new();
        assert!(word::claim_free(&shared.word, 1));
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
        if word::claim_free(&shared.word, 1) {
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
    turns::<Sound>(2);
}

#[test]
fn three_processes_take_turns() {
    turns::<Sound>(3);
}

#[test]
fn a_sleeper_is_woken_by_who_took_over() {
    death_beside_a_sleeper::<Sound>();
}

#[test]
fn who_gives_up_leaves_nobody_asleep() {
    giving_up::<Sound>();
}

#[test]
fn a_death_is_found_by_one() {
    death::<Sound>(1);
}

#[test]
fn a_death_is_found_by_one_of_two() {
    death::<Sound>(2);
}

macro_rules! fails {
    ($name:ident, $model:expr, $constant:ident: $ty:ty = $value:expr) => {
        #[test]
        #[should_panic]
        fn $name() {
            struct Broken;
            impl Variant for Broken {
                const $constant: $ty = $value;
            }
            $model(Broken);
        }
    };
}

fn turns_of<V: Variant>(_: V) {
    turns::<V>(2);
}

fn death_of<V: Variant>(_: V) {
    death::<V>(1);
}

fails!(a_relaxed_claim_is_caught, turns_of, CLAIM: Ordering = Ordering::Relaxed);
fails!(a_relaxed_release_is_caught, turns_of, RELEASE: Ordering = Ordering::Relaxed);
fails!(a_relaxed_probe_is_caught, death_of, PROBE: Ordering = Ordering::Relaxed);
fails!(a_probe_that_calls_the_living_dead_is_caught, death_of, TRUTHFUL: bool = false);

macro_rules! gets_stuck {
    ($name:ident, $caught:ident, $model:expr, $constant:ident: $ty:ty = $value:expr) => {
        #[test]
        #[ignore = "fails, as it should: played in a process of its own"]
        fn $name() {
            struct Broken;
            impl Variant for Broken {
                const $constant: $ty = $value;
            }
            $model(Broken);
        }

        #[test]
        fn $caught() {
            assert_stuck(concat!("claim::model::", stringify!($name)));
        }
    };
}

fn turns_of_three<V: Variant>(_: V) {
    turns::<V>(3);
}

fn death_beside_a_sleeper_of<V: Variant>(_: V) {
    death_beside_a_sleeper::<V>();
}

fn giving_up_of<V: Variant>(_: V) {
    giving_up::<V>();
}

gets_stuck!(nobody_wakes, a_release_that_does_not_wake_is_caught, turns_of, WAKES: bool = false);
gets_stuck!(flag_dropped, a_claim_that_drops_the_flag_of_sleepers_is_caught, turns_of_three, KEPT: u32 = 0);
gets_stuck!(
    flag_dropped_in_a_take_over,
    a_take_over_that_drops_the_flag_of_sleepers_is_caught,
    death_beside_a_sleeper_of,
    KEPT: u32 = 0
);
gets_stuck!(
    wake_up_swallowed,
    a_wake_up_that_goes_with_who_gives_up_is_caught,
    giving_up_of,
    PASSES_ON: bool = false
);
