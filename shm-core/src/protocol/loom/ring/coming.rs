//! Coming to an end of a ring, under the same loom, with the same bounds.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::protocol::claim_word as word;

/// A receiver beside the very first sender, which comes, sends a message and stays: it is never taken for one that has left.
fn first_sender<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::with_sender(1, EndState::free());
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut peer = Peer::<V>::patient(&shared);
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
        let received = Peer::<V>::patient(&shared).receive(&mut end);
        assert_eq!(received, Ok(1));
        sender.join().unwrap();
    });
}

/// A receiver that waits for somebody to come, with nothing but a wake-up to get it on. The one who comes may have left
/// again by then, if it has sent something.
fn coming<V: ModelMutations>(sends: bool, preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::with_sender(1, EndState::free());
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut peer = Peer::<V>::patient(&shared);
                let mut end = peer.join::<Sending>(&shared.sender);
                if sends {
                    peer.send(&mut end, 1).unwrap();
                    peer.leave::<Sending>(&shared.sender);
                }
            }
        });
        let mut end = End::<Receiving, V>::resume(&shared.counters);
        let mut peer = Peer::<V>::patient(&shared);
        assert!(peer.wait_for_sender(&end));
        if sends {
            assert_eq!(peer.receive(&mut end), Ok(1));
        }
        sender.join().unwrap();
    });
}

/// The last sender is dead, and somebody has found that out: it is not taken for one that came.
fn coming_after_a_death<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::with_sender(1, EndState::taken());
        shared.sender.lives.store(0, Ordering::Relaxed);
        let next = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // The take-over's compare-and-swap; nobody asks for the first one's life any more.
                shared.sender.lives.store(1, Ordering::Relaxed);
                shared.sender.owner.swap(2, Ordering::AcqRel);
                V::mark_joined(&shared.sender.joined);
                let peer = Peer::<V>::patient(&shared);
                eventcount::notify(Sending::peer_wait_word(&shared.counters), &peer);
            }
        });
        let end = End::<Receiving, V>::resume(&shared.counters);
        let peer = PeerView::<V>::new(&shared.sender);
        let watch = PeerWatch::new(&peer);
        let mut peer = Peer::<V>::patient(&shared);
        let found = watch.is_dead();
        assert!(end.wait_for_peer(&shared.counters, 1, &mut peer, &watch));
        // It came, whether or not the one before was seen.
        assert!(!found || shared.sender.owner.load(Ordering::Relaxed) == 2);
        assert!(!watch.is_gone(V::has_left));
        next.join().unwrap();
    });
}

/// A sender leaves when it has sent a message, and another one comes if it finds that: it goes on where the first has ended.
fn next_sender<V: ModelMutations>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::new(2);
        let next = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // Coming has a full fence behind this, which would do as well.
                if word::claim_free_as(&shared.sender.owner, 2, V::CLAIM) {
                    let mut end = End::<Sending, V>::resume(&shared.counters);
                    assert_eq!(end.position(), 1);
                    Peer::<V>::patient(&shared).send(&mut end, 2).unwrap();
                }
            }
        });
        let mut end = End::<Sending, V>::resume(&shared.counters);
        let mut peer = Peer::<V>::patient(&shared);
        peer.send(&mut end, 1).unwrap();
        peer.leave::<Sending>(&shared.sender);
        next.join().unwrap();
    });
}

#[test]
fn the_very_first_sender_is_never_taken_for_one_that_has_left() {
    first_sender::<Correct>(4);
}

#[test]
fn who_waits_for_somebody_to_come_is_woken() {
    coming::<Correct>(false, 4);
}

#[test]
fn who_has_come_and_left_meanwhile_is_not_missed_if_it_has_sent_something() {
    coming::<Correct>(true, 3);
}

#[test]
fn who_was_found_dead_is_not_taken_for_one_who_has_come() {
    coming_after_a_death::<Correct>(4);
}

#[test]
fn the_next_sender_goes_on_where_the_one_before_has_ended() {
    next_sender::<Correct>(4);
}

mutant_fails!(a_relaxed_claim_is_caught, next_sender::<Mutant>(2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const CLAIM: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(looking_at_the_claim_before_looking_whether_anybody_came_is_caught, first_sender::<Mutant>(3),
    impl Mutations for Mutant {
        fn has_left(seat: &impl PeerState) -> bool {
            seat.owner() == 0 && seat.joined().load(Ordering::Acquire) != 0
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_look_whether_anybody_came_is_caught, first_sender::<Mutant>(3),
    impl Mutations for Mutant {
        fn has_left(seat: &impl PeerState) -> bool {
            seat.joined().load(Ordering::Relaxed) != 0 && seat.owner() == 0
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(coming_relaxed_is_caught, first_sender::<Mutant>(3),
    impl Mutations for Mutant {
        fn mark_joined(joined: &AtomicU32) {
            joined.store(1, Ordering::Relaxed);
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(comes_without_a_word, coming_without_a_word_is_caught, coming::<Mutant>(false, 3),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const COMING_WAKES: bool = false;
    }
);
mutant_deadlocks!(comes_without_a_fence, coming_without_a_fence_is_caught, coming::<Mutant>(false, 3),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const COMING_IS_FENCED: bool = false;
    }
);
