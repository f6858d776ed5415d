//! Liveness under loom. Bounds: one owner of the role and one observer, or two that share what they know; three forced
//! preemptions.

use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::protocol::claim_word::{self as word, WakeOne};
use crate::protocol::liveness::{PeerState, PeerWatch, has_left, mark_joined};
use crate::protocol::loom::{Product, check, mutant_fails};

/// The single step that differs.
trait ModelMutations: Send + Sync + 'static {
    const JOIN: Option<Ordering> = None;
    const JOINED: Ordering = <Product as PeerState>::JOINED;
    const OWNER: Ordering = word::LOAD;
    const LEAVE: Ordering = <Product as WakeOne>::RELEASE;
    /// The kernel's.
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
    fn unshared() -> Self {
        Self {
            claim: AtomicU32::new(0),
            joined: AtomicU32::new(0),
            lives: AtomicU32::new(1),
            work: UnsafeCell::new(0),
            mutations: PhantomData,
        }
    }

    fn new() -> Arc<Self> {
        Arc::new(Self::unshared())
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
        word::owner(&self.claim, V::OWNER, V::WRITABLE)
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

/// How a thread finds the death that another then has from the cache.
#[derive(Clone, Copy)]
enum Finds {
    ByProbe,
    BeforeWaiting,
}

/// An owner joins, works and dies. Of two threads with the same cache, one asks only the cache, perhaps through a clone.
fn cached_death<V: ModelMutations>(finds: Finds, clones: bool) {
    check(3, move || {
        // Leaked, because a model's threads need what they borrow for ever.
        let shared: &Shared<V> = Box::leak(Box::new(Shared::unshared()));
        let watch = Arc::new(PeerWatch::new(shared));
        let looker = {
            let watch = Arc::clone(&watch);
            thread::spawn(move || {
                let gone = if clones {
                    PeerWatch::clone(&watch).is_gone(|_| false)
                } else {
                    watch.is_gone(|_| false)
                };
                if gone {
                    watch.role().look();
                }
            })
        };
        shared.join();
        shared.work();
        shared.lives.store(0, Ordering::Release);
        match finds {
            Finds::ByProbe => assert!(watch.is_dead()),
            Finds::BeforeWaiting => {
                watch.look_before_waiting();
                assert!(watch.is_gone(|_| false));
            }
        }
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

#[test]
fn a_cached_death_shows_what_the_dead_did() {
    cached_death::<Correct>(Finds::ByProbe, false);
}

#[test]
fn a_death_found_before_a_wait_shows_what_the_dead_did() {
    cached_death::<Correct>(Finds::BeforeWaiting, false);
}

#[test]
fn a_cached_death_in_a_clone_shows_what_the_dead_did() {
    cached_death::<Correct>(Finds::ByProbe, true);
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
