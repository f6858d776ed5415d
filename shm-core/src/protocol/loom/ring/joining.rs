//! Joining an end of a ring. Bounds as in the parent module.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// The very first sender joins, sends a message and stays: to a receiver it never seems to have left.
fn first_sender<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::with_sender(1, EndState::free());
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut peer = Peer::<V>::until_woken(&shared);
                let mut end = peer.join::<Sending>(&shared.sender);
                peer.send(&mut end, 1).unwrap();
            }
        });
        let mut end = End::<Receiving, V>::resume(&shared.counters);
        // Without waiting, and with.
        let peer = PeerView::<V>::new(&shared.sender);
        let watch = PeerWatch::new(&peer);
        let polled = end.poll(&shared.counters, 1, &watch, false);
        assert_ne!(polled, Err(Idle::Gone));
        let received = Peer::<V>::until_woken(&shared).receive(&mut end);
        assert_eq!(received, Ok(1));
        sender.join().unwrap();
    });
}

/// A receiver that waits for a sender to join, and sleeps until woken. The sender may have left again by then, if it has
/// sent something.
fn joining<V: ModelMutations>(sends: bool, preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::with_sender(1, EndState::free());
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut peer = Peer::<V>::until_woken(&shared);
                let mut end = peer.join::<Sending>(&shared.sender);
                if sends {
                    peer.send(&mut end, 1).unwrap();
                    peer.leave::<Sending>(&shared.sender);
                }
            }
        });
        let mut end = End::<Receiving, V>::resume(&shared.counters);
        let mut peer = Peer::<V>::until_woken(&shared);
        assert!(peer.wait_for_sender(&end));
        if sends {
            assert_eq!(peer.receive(&mut end), Ok(1));
        }
        sender.join().unwrap();
    });
}

/// The last sender is dead, and the receiver has found out: it does not count as present.
fn joining_after_a_death<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::with_sender(1, EndState::taken());
        shared.sender.lives.store(0, Ordering::Relaxed);
        let next = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // The compare-and-swap of a take-over. The first sender is not probed any more.
                shared.sender.lives.store(1, Ordering::Relaxed);
                let owner = &shared.sender.owner;
                owner
                    .compare_exchange(1, 2, word::CLAIM, Ordering::Relaxed)
                    .unwrap();
                V::mark_joined(&shared.sender.joined);
                let peer = Peer::<V>::until_woken(&shared);
                eventcount::notify(Sending::peer_wait_word(&shared.counters), &peer);
            }
        });
        let end = End::<Receiving, V>::resume(&shared.counters);
        let peer = PeerView::<V>::new(&shared.sender);
        let watch = PeerWatch::new(&peer);
        let mut peer = Peer::<V>::until_woken(&shared);
        let found = watch.is_dead();
        assert!(end.wait_for_peer(&shared.counters, 1, &mut peer, &watch));
        // There is a new sender, whether or not the receiver saw the dead one.
        assert!(!found || shared.sender.owner.load(Ordering::Relaxed) == 2);
        assert!(!watch.is_gone(V::has_left));
        next.join().unwrap();
    });
}

/// A sender sends a message and leaves, and another one joins if it finds the end free: it continues where the first one
/// stopped.
fn next_sender<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::new(2);
        let next = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // `join` has a full fence after this, which would also be enough.
                if word::claim_free_as(&shared.sender.owner, 2, V::CLAIM) {
                    let mut end = End::<Sending, V>::resume(&shared.counters);
                    assert_eq!(end.position(), 1);
                    Peer::<V>::until_woken(&shared).send(&mut end, 2).unwrap();
                }
            }
        });
        let mut end = End::<Sending, V>::resume(&shared.counters);
        let mut peer = Peer::<V>::until_woken(&shared);
        peer.send(&mut end, 1).unwrap();
        peer.leave::<Sending>(&shared.sender);
        next.join().unwrap();
    });
}

#[test]
fn the_very_first_sender_never_seems_to_have_left() {
    first_sender::<Correct>(4);
}

#[test]
fn joining_wakes_a_peer_that_waits_for_it() {
    joining::<Correct>(false, 4);
}

#[test]
fn a_sender_that_sends_and_leaves_ends_the_wait_for_one() {
    joining::<Correct>(true, 3);
}

#[test]
fn a_dead_sender_does_not_seem_to_have_joined() {
    joining_after_a_death::<Correct>(4);
}

#[test]
fn the_next_sender_continues_where_the_last_one_stopped() {
    next_sender::<Correct>(4);
}

mutant_fails!(a_relaxed_claim_is_caught, next_sender::<Mutant>(2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const CLAIM: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(loading_the_claim_before_joined_is_caught, first_sender::<Mutant>(3),
    impl Mutations for Mutant {
        fn has_left(seat: &impl PeerState) -> bool {
            seat.owner() == 0 && seat.joined().load(Ordering::Acquire) != 0
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_load_of_joined_is_caught, first_sender::<Mutant>(3),
    impl Mutations for Mutant {
        fn has_left(seat: &impl PeerState) -> bool {
            seat.joined().load(Ordering::Relaxed) != 0 && seat.owner() == 0
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(joining_relaxed_is_caught, first_sender::<Mutant>(3),
    impl Mutations for Mutant {
        fn mark_joined(joined: &AtomicU32) {
            joined.store(1, Ordering::Relaxed);
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(joins_without_a_notification, joining_without_a_notification_is_caught, joining::<Mutant>(false, 3),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const JOIN_WAKES: bool = false;
    }
);
mutant_deadlocks!(joins_without_a_fence, joining_without_a_fence_is_caught, joining::<Mutant>(false, 3),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const JOIN_FENCED: bool = false;
    }
);
