//! Where senders and receivers begin, and what they see by then. Bounds as in the parent module.

use super::*;
use crate::protocol::loom::mutant_fails;

/// A sender sends and leaves, and another one joins if it finds the role free: it begins where the first one stopped.
fn next_sender<S: ModelMutations>() {
    check(3, || {
        let shared = Shared::<S, 1>::new();
        shared.join(1);
        let next = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                // `join` has a full fence after this, which would also be enough.
                if word::claim_free_as(&shared.claim, 2, S::CLAIM) {
                    // Relaxed does for this.
                    assert_eq!(shared.counters.tail.load(Relaxed), 1);
                }
            })
        };
        shared.send(0);
        shared.leave(1);
        next.join().unwrap();
    });
}

/// A receiver that sees the number of messages sees what was done before the last of them. So does one that has waited for a
/// sender and found only the message.
fn counted<S: ModelMutations>(waits: bool) {
    check(3, move || {
        let shared = Shared::<S, 1>::new();
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if waits {
                    let mut env = UntilWoken(&shared.queue);
                    let (counters, arrived) = (&shared.counters, &shared.arrived);
                    let sender = PeerWatch::new(&*shared);
                    assert!(protocol::wait_for_sender::<S, _>(
                        counters, 0, &sender, arrived, &mut env
                    ));
                    shared.look();
                } else if protocol::tail::<S>(&shared.counters) == 1 {
                    shared.look();
                }
            })
        };
        shared.work();
        shared.send(0);
        other.join().unwrap();
    });
}

/// A receiver that begins with the oldest message is not further behind than there are slots.
fn beginning<S: ModelMutations>() {
    check(3, || {
        let shared = Shared::<S, 1>::new();
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let tail = shared.counters.tail.load(Relaxed);
                let oldest = protocol::oldest::<S>(&shared.counters, 1);
                assert!(oldest + 1 >= tail);
            })
        };
        shared.send(0);
        shared.send(1);
        receiver.join().unwrap();
    });
}

#[test]
fn the_next_sender_begins_where_the_last_one_stopped() {
    next_sender::<Correct>();
}

#[test]
fn a_count_of_messages_shows_what_came_before() {
    counted::<Correct>(false);
}

#[test]
fn waiting_for_a_message_shows_what_came_before() {
    counted::<Correct>(true);
}

#[test]
fn beginning_with_the_oldest_is_not_too_far_behind() {
    beginning::<Correct>();
}

mutant_fails!(a_relaxed_claim_is_caught, next_sender::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const CLAIM: Ordering = Relaxed;
    }
);
mutant_fails!(a_relaxed_count_is_caught, counted::<Mutant>(false),
    impl Mutations for Mutant {
        const LOAD: Ordering = Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_load_in_the_wait_for_a_sender_is_caught, counted::<Mutant>(true),
    impl Mutations for Mutant {
        const LOAD: Ordering = Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_load_for_the_oldest_is_caught, beginning::<Mutant>(),
    impl Mutations for Mutant {
        const LOAD: Ordering = Relaxed;
    }
    impl ModelMutations for Mutant {}
);
