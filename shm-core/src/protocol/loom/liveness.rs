//! Liveness under loom. Bounds: one owner of the role and one observer; three forced preemptions.

use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::primitive::model::load;
use crate::protocol::claim_word::{self as word, WakeOne};
use crate::protocol::liveness::{PeerState, PeerWatch, has_left, mark_joined};
use crate::protocol::loom::{check, mutant_fails};

/// The single step that differs.
trait ModelMutations: Send + Sync + 'static {
    const JOIN: Option<Ordering> = None;
    const JOINED: Ordering = Ordering::Acquire;
    const OWNER: Ordering = Ordering::Acquire;
    const LEAVE: Ordering = Ordering::Release;
    const PROBE: Ordering = Ordering::Acquire;
    const WRITABLE: bool = true;
}

struct Correct;
impl ModelMutations for Correct {}

/// An observer with a read-only mapping.
struct ThroughReadOnly;
impl ModelMutations for ThroughReadOnly {
    const WRITABLE: bool = false;
}

/// The role, whether its owner is alive, and the owner's work.
struct Shared<V> {
    claim: AtomicU32,
    joined: AtomicU32,
    lives: AtomicU32,
    work: UnsafeCell<u32>,
    mutations: PhantomData<V>,
}

impl<V: ModelMutations> Shared<V> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            claim: AtomicU32::new(0),
            joined: AtomicU32::new(0),
            lives: AtomicU32::new(1),
            work: UnsafeCell::new(0),
            mutations: PhantomData,
        })
    }

    fn join(&self) {
        assert!(word::claim_free(&self.claim, 1));
        match V::JOIN {
            Some(ordering) => self.joined.store(1, ordering),
            None => mark_joined(&self.joined),
        }
    }

    fn work(&self) {
        // SAFETY: no other thread reads it before the owner's end; loom checks that.
        self.work.with_mut(|work| unsafe { *work = 1 });
    }

    fn look(&self) {
        // SAFETY: the owner's end was seen; loom checks that this is enough.
        self.work.with(|work| assert_eq!(unsafe { *work }, 1));
    }
}

impl<V: ModelMutations> PeerState for Shared<V> {
    const JOINED: Ordering = V::JOINED;
    const WRITABLE: bool = V::WRITABLE;

    fn joined(&self) -> &AtomicU32 {
        &self.joined
    }

    fn owner(&self) -> u32 {
        load(&self.claim, V::OWNER, V::WRITABLE) & word::ID
    }

    fn is_dead(&self, _: u32) -> bool {
        self.lives.load(V::PROBE) == 0
    }
}

struct Leaving<V>(PhantomData<V>);

impl<V: ModelMutations> WakeOne for Leaving<V> {
    const RELEASE: Ordering = V::LEAVE;

    /// Nobody sleeps on the role.
    fn wake(&self, _: &AtomicU32) {}
}

/// The very first owner joins, and stays.
fn arrival<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::<V>::new();
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || assert!(!has_left(&*shared)))
        };
        shared.join();
        looker.join().unwrap();
    });
}

/// An owner joins, works and leaves.
fn departure<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::<V>::new();
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if has_left(&*shared) {
                    shared.look();
                }
            })
        };
        shared.join();
        shared.work();
        word::release(&shared.claim, 1, false, &Leaving::<V>(PhantomData));
        looker.join().unwrap();
    });
}

/// An owner joins, works and dies.
fn death<V: ModelMutations>() {
    check(3, || {
        let shared = Shared::<V>::new();
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if PeerWatch::new(&*shared).is_dead() {
                    shared.look();
                }
            })
        };
        shared.join();
        shared.work();
        shared.lives.store(0, Ordering::Release);
        looker.join().unwrap();
    });
}

#[test]
fn a_process_that_has_just_joined_has_not_left() {
    arrival::<Correct>();
}

#[test]
fn leaving_shows_what_came_before() {
    departure::<Correct>();
}

#[test]
fn a_process_that_has_just_joined_has_not_left_read_only() {
    arrival::<ThroughReadOnly>();
}

#[test]
fn leaving_shows_what_came_before_read_only() {
    departure::<ThroughReadOnly>();
}

#[test]
fn a_death_shows_what_the_dead_did() {
    death::<Correct>();
}

mutant_fails!(joining_relaxed_is_caught, arrival::<Mutant>(),
    impl ModelMutations for Mutant {
        const JOIN: Option<Ordering> = Some(Ordering::Relaxed);
    }
);
mutant_fails!(a_relaxed_load_of_joined_is_caught, arrival::<Mutant>(),
    impl ModelMutations for Mutant {
        const JOINED: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_load_of_the_claim_is_caught, departure::<Mutant>(),
    impl ModelMutations for Mutant {
        const OWNER: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(leaving_relaxed_is_caught, departure::<Mutant>(),
    impl ModelMutations for Mutant {
        const LEAVE: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_probe_is_caught, death::<Mutant>(),
    impl ModelMutations for Mutant {
        const PROBE: Ordering = Ordering::Relaxed;
    }
);
