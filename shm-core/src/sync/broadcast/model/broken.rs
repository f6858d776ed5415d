//! Models that must fail: each differs from one that passes in a single step.

use super::*;
use crate::primitive::model::fence;

macro_rules! fails {
    ($name:ident, $model:expr, $($step:tt)*) => {
        #[test]
        #[should_panic]
        fn $name() {
            struct Broken;
            impl Steps for Broken { $($step)* }
            impl Variant for Broken {}
            $model(Broken);
        }
    };
}

fn overtaken_of<S: Variant>(_: S) {
    overtaken::<S, 2>();
}

fn leaving_of<S: Variant>(_: S) {
    leaving::<S>();
}

fn death_of<S: Variant>(_: S) {
    death::<S, 2>();
}

fails!(
    a_relaxed_look_is_caught,
    overtaken_of,
    const LOOK: Ordering = Relaxed;
);
fails!(
    a_slot_too_many_is_caught,
    overtaken_of,
    const BEYOND: u64 = 1;
);
fails!(
    a_copy_without_a_fence_behind_it_is_caught,
    overtaken_of,
    fn copied() {}
);
fails!(
    a_write_without_a_fence_before_it_is_caught,
    overtaken_of,
    fn reserve(reserved: &AtomicU64, value: u64) {
        reserved.store(value, Relaxed);
    }
);
fails!(
    a_relaxed_publication_is_caught,
    overtaken_of,
    fn publish(tail: &AtomicU64, value: u64) {
        tail.store(value, Relaxed);
        fence(Ordering::SeqCst);
    }
);
fails!(
    news_of_leaving_without_a_second_look_is_caught,
    leaving_of,
    const AGAIN: bool = false;
);
fails!(
    news_of_a_death_without_a_second_look_is_caught,
    death_of,
    const AGAIN: bool = false;
);

#[test]
#[should_panic]
fn a_claim_that_is_looked_at_too_early_is_caught() {
    struct Broken;
    impl Steps for Broken {}
    impl Variant for Broken {
        const CLAIM_FIRST: bool = true;
    }
    leaving::<Broken>();
}

#[test]
#[should_panic]
fn a_relaxed_probe_is_caught() {
    struct Broken;
    impl Steps for Broken {}
    impl Variant for Broken {
        const PROBE: Ordering = Relaxed;
    }
    death::<Broken, 2>();
}

#[test]
#[should_panic]
fn a_relaxed_look_at_the_claim_is_caught() {
    struct Broken;
    impl Steps for Broken {}
    impl Variant for Broken {
        const HOLDER: Ordering = Relaxed;
    }
    departure::<Broken>();
}

/// Played in a process of its own: the receiver sleeps for ever, and loom ends the process in which that happens.
#[test]
#[ignore = "fails, as it should: see a_publication_without_a_fence_behind_it_is_caught"]
fn nobody_wakes() {
    struct Broken;
    impl Steps for Broken {
        fn publish(tail: &AtomicU64, value: u64) {
            tail.store(value, Release);
        }
    }
    impl Variant for Broken {}
    check(|| {
        let shared = Shared::<Broken, 2>::new();
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                Receiver::new(&*shared).wait();
            })
        };
        shared.send(0);
        receiver.join().unwrap();
    });
}

/// As above: a sender comes, and does not tell.
#[test]
#[ignore = "fails, as it should: see a_sender_that_comes_without_a_word_is_caught"]
fn nobody_tells() {
    struct Broken;
    impl Steps for Broken {}
    impl Variant for Broken {
        const TELLS: bool = false;
    }
    succession::<Broken>(false);
}

#[test]
fn a_publication_without_a_fence_behind_it_is_caught() {
    deadlocks("nobody_wakes");
}

#[test]
fn a_sender_that_comes_without_a_word_is_caught() {
    deadlocks("nobody_tells");
}

/// Plays a model in a process of its own, in which nobody gets on.
fn deadlocks(model: &str) {
    let name = format!("sync::broadcast::model::broken::{model}");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("deadlock"), "{text}");
}
