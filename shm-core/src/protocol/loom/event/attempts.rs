//! A waiter that loses so many attempts to take a notification that it loads the word anew. Bounds: seven forced preemptions,
//! of which it needs all.

use super::*;
use crate::protocol::event::{Looks, ONE};

/// What four notifications of one add, which nobody has taken.
const FOUR: u64 = 4 * (ONE + OWED + ASSIGNED);

/// Other waiters are always faster to take, and then there is a notification of all.
fn lose<V: AllMutations>() {
    check(7, || {
        let shared = Shared::new();
        // One has taken already.
        shared.word.store(FOUR - OWED, Ordering::Relaxed);
        let others = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for _ in 0..3 {
                    shared.word.fetch_sub(OWED, Ordering::Relaxed);
                }
                shared.notify::<V>(0, true);
            }
        });
        let mut looks = Looks::new(0);
        assert_eq!(looks.notified::<V>(&shared.word, 0, true), None);
        if looks.notified::<V>(&shared.word, FOUR, true) == Some(5) {
            // SAFETY: it was written before the fifth notification; loom checks that.
            assert_eq!(shared.work[0].with(|work| unsafe { *work }), 1);
        }
        others.join().unwrap();
    });
}

#[test]
fn a_notification_found_after_lost_attempts_shows_its_work() {
    lose::<Correct>();
}

mutant_fails!(a_relaxed_load_after_lost_attempts_is_caught, lose::<Mutant>(),
    impl Mutations for Mutant {
        const LOAD: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
