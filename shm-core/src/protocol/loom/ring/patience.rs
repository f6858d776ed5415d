//! A sender that is patient. Bounds as in the parent module: a ring of two slots, which is early until it is empty.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::protocol::ring::patience;

/// In a ring of two slots, half is one. So that commits are early, all have to be free.
fn is_early<R: Side>(mine: u64, theirs: u64) -> bool {
    assert_eq!(patience(4), 2);
    R::is_early(mine, theirs + 2, 4)
}

struct Early;
impl Mutations for Early {
    fn is_early<R: Side>(mine: u64, theirs: u64, _: u64) -> bool {
        is_early::<R>(mine, theirs)
    }
}
impl ModelMutations for Early {}

/// A sender fills the ring, and sends one more message as soon as it can. The receiver takes as many messages as given. If the sender
/// is `patient` for ever, it is not registered, and the receiver takes all; else the sender probes once.
fn full<V: ModelMutations>(registered: bool, patient: bool, taken: u64) {
    check(2, move || {
        let shared = Shared::new(2);
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::resume(&shared.counters);
                let mut peer = if registered {
                    Peer::<V>::registered(&shared, 0)
                } else {
                    Peer::<V>::until_woken(&shared)
                };
                peer.is_patient = true;
                for number in 1..=3 {
                    if !patient {
                        peer.is_patient = true;
                        peer.schedule = Schedule::ProbeFirst;
                    }
                    peer.send(&mut end, number).unwrap();
                }
            }
        });
        let mut end = End::resume(&shared.counters);
        let mut peer = if registered {
            Peer::<V>::registered(&shared, 1)
        } else {
            Peer::<V>::until_woken(&shared)
        };
        for number in 1..=taken {
            assert_eq!(peer.receive(&mut end), Ok(number));
        }
        drop(peer);
        sender.join().unwrap();
    });
}

#[test]
fn a_patient_sender_is_woken_when_enough_is_free() {
    full::<Early>(false, true, 3);
}

/// A patient sender does not interrupt, as it checks again soon: so its wake-up may be missed, and the check has to suffice.
#[test]
fn a_sender_that_was_patient_is_woken_by_a_registered_receiver() {
    full::<Early>(true, false, 3);
}

#[test]
fn a_sender_whose_patience_is_over_is_woken_by_one_slot() {
    full::<Early>(false, false, 1);
}

#[test]
fn a_sender_whose_patience_is_over_is_woken_if_registered() {
    full::<Early>(true, false, 1);
}

mutant_deadlocks!(always_early, a_receiver_that_is_always_early_is_caught, full::<Mutant>(false, true, 3),
    impl Mutations for Mutant {
        fn is_early<R: Side>(_: u64, _: u64, _: u64) -> bool {
            true
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(keeps_patience, patience_that_is_not_taken_back_is_caught, full::<Mutant>(false, false, 1),
    impl Mutations for Mutant {
        fn is_early<R: Side>(mine: u64, theirs: u64, _: u64) -> bool {
            is_early::<R>(mine, theirs)
        }
    }
    impl ModelMutations for Mutant {
        const RETRACTS: bool = false;
    }
);
