//! What others see of a role, under loom. Bounds: one who has the role and one who looks, each a thread; three forced
//! preemptions. A death is a thread that gives up its lock cell with `Release` and stops; the probe reads that cell with
//! `Acquire`, as the kernel's lock does.

use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use crate::primitive::Ordering;
use crate::primitive::model::load;
use crate::protocol::claim_word::{self as word, Wake};
use crate::protocol::loom::{check, fails};
use crate::protocol::presence::{Seen, Watch, come, has_left};

/// The single step that differs.
trait Variant: Send + Sync + 'static {
    const COME: Option<Ordering> = None;
    const CAME: Ordering = Ordering::Acquire;
    const OWNER: Ordering = Ordering::Acquire;
    const LEAVE: Ordering = Ordering::Release;
    const PROBE: Ordering = Ordering::Acquire;
    const WRITABLE: bool = true;
}

struct Sound;
impl Variant for Sound {}

/// As others look through a mapping that may not be written.
struct ThroughReadOnly;
impl Variant for ThroughReadOnly {
    const WRITABLE: bool = false;
}

/// The role, whether the one who has it lives, and what that one does.
struct Shared<V> {
    claim: AtomicU32,
    came: AtomicU32,
    lives: AtomicU32,
    work: UnsafeCell<u32>,
    variant: PhantomData<V>,
}

impl<V: Variant> Shared<V> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            claim: AtomicU32::new(0),
            came: AtomicU32::new(0),
            lives: AtomicU32::new(1),
            work: UnsafeCell::new(0),
            variant: PhantomData,
        })
    }

    fn come(&self) {
        assert!(word::claim_free(&self.claim, 1));
        match V::COME {
            Some(ordering) => self.came.store(1, ordering),
            None => come(&self.came),
        }
    }

    fn work(&self) {
        // SAFETY: nobody else looks before the end of the one who has the role; loom checks that.
        self.work.with_mut(|work| unsafe { *work = 1 });
    }

    fn look(&self) {
        // SAFETY: the end of the one who had the role has been seen; loom checks that this is enough.
        self.work.with(|work| assert_eq!(unsafe { *work }, 1));
    }
}

impl<V: Variant> Seen for Shared<V> {
    const CAME: Ordering = V::CAME;
    const WRITABLE: bool = V::WRITABLE;

    fn came(&self) -> &AtomicU32 {
        &self.came
    }

    fn owner(&self) -> u32 {
        load(&self.claim, V::OWNER, V::WRITABLE) & word::ID
    }

    fn is_dead(&self, _: u32) -> bool {
        self.lives.load(V::PROBE) == 0
    }
}

struct Leaving<V>(PhantomData<V>);

impl<V: Variant> Wake for Leaving<V> {
    const RELEASE: Ordering = V::LEAVE;

    /// Nobody sleeps on the role.
    fn wake(&self, _: &AtomicU32) {}
}

/// The very first one comes, and stays.
fn arrival<V: Variant>() {
    check(3, || {
        let shared = Shared::<V>::new();
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || assert!(!has_left(&*shared)))
        };
        shared.come();
        looker.join().unwrap();
    });
}

/// One comes, works and leaves.
fn departure<V: Variant>() {
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
        shared.come();
        shared.work();
        word::release(&shared.claim, 1, false, &Leaving::<V>(PhantomData));
        looker.join().unwrap();
    });
}

/// One comes, works and dies.
fn death<V: Variant>() {
    check(3, || {
        let shared = Shared::<V>::new();
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if Watch::new(&*shared).is_dead() {
                    shared.look();
                }
            })
        };
        shared.come();
        shared.work();
        shared.lives.store(0, Ordering::Release);
        looker.join().unwrap();
    });
}

#[test]
fn who_has_just_come_has_not_left() {
    arrival::<Sound>();
}

#[test]
fn who_sees_that_one_has_left_sees_what_it_did() {
    departure::<Sound>();
}

#[test]
fn who_has_just_come_has_not_left_for_who_looks_through_read_only_pages() {
    arrival::<ThroughReadOnly>();
}

#[test]
fn who_sees_through_read_only_pages_that_one_has_left_sees_what_it_did() {
    departure::<ThroughReadOnly>();
}

#[test]
fn who_finds_one_dead_sees_what_it_did() {
    death::<Sound>();
}

fails!(coming_relaxed_is_caught, arrival::<Broken>(),
    impl Variant for Broken {
        const COME: Option<Ordering> = Some(Ordering::Relaxed);
    }
);
fails!(a_relaxed_look_whether_anybody_came_is_caught, arrival::<Broken>(),
    impl Variant for Broken {
        const CAME: Ordering = Ordering::Relaxed;
    }
);
fails!(a_relaxed_look_at_the_claim_is_caught, departure::<Broken>(),
    impl Variant for Broken {
        const OWNER: Ordering = Ordering::Relaxed;
    }
);
fails!(leaving_relaxed_is_caught, departure::<Broken>(),
    impl Variant for Broken {
        const LEAVE: Ordering = Ordering::Relaxed;
    }
);
fails!(a_relaxed_probe_is_caught, death::<Broken>(),
    impl Variant for Broken {
        const PROBE: Ordering = Ordering::Relaxed;
    }
);
