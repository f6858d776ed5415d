//! A receiver that waits for the next sender when the last one has left. Bounds as in the parent module.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// A sender sends a message and leaves, and another one joins after that and sends the next. The receiver gets both, and sleeps
/// until it is woken: it never finds the sender gone.
fn reconnecting<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::with_sender(1, EndState::free());
        let senders = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for value in 1..=2 {
                    let mut peer = Peer::<V>::until_woken(&shared);
                    let mut end = peer.join::<Sending>(&shared.sender);
                    peer.send(&mut end, value).unwrap();
                    peer.leave::<Sending>(&shared.sender);
                }
            }
        });
        let mut end = End::<Receiving, V>::resume(&shared.counters);
        for value in 1..=2 {
            let mut peer = Peer::<V>::until_woken(&shared);
            if end.ready(&shared.counters, 1, 1) == 0 {
                end.wait_for_work(&shared.counters, 1, &mut peer).unwrap();
            }
            assert_eq!(shared.read(end.slot(1)), value);
            end.commit(&shared.counters, shared.capacity(), 1, &peer);
        }
        senders.join().unwrap();
    });
}

#[test]
fn a_reconnecting_receiver_gets_what_the_next_sender_sends() {
    reconnecting::<Correct>(3);
}

mutant_fails!(a_relaxed_load_while_reconnecting_is_caught, reconnecting::<Mutant>(2),
    impl Mutations for Mutant {
        const LOAD: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(commits_to_a_reconnecting_end_without_a_fence, an_unfenced_commit_while_reconnecting_is_caught,
    reconnecting::<Mutant>(2),
    impl Mutations for Mutant {
        fn publish<R: Side>(counters: &Counters, value: u64, _: CommitOrder) {
            R::own(counters).store(value, Ordering::Release);
        }
    }
    impl ModelMutations for Mutant {}
);
