//! Coming to an end of a ring, under the same loom, with the same bounds.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::protocol::claim_word as word;

/// A receiver beside the very first sender, which comes, sends a message and stays: it is never taken for one that has left.
fn first_sender<V: Variant>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::with_sender(1, Chair::free());
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut peer = Peer::<V>::patient(&shared);
                let mut end = peer.come::<Sending>(&shared.sender);
                peer.send(&mut end, 1).unwrap();
            }
        });
        let mut end = End::<Receiving, V>::resume(&shared.counters);
        // Without waiting, and with.
        let seat = Seat::<V>::new(&shared.sender);
        let seen = Watch::new(&seat);
        let polled = end.poll(&shared.counters, 1, &seen, false);
        assert_ne!(polled, Err(Idle::Gone));
        let received = Peer::<V>::patient(&shared).receive(&mut end);
        assert_eq!(received, Ok(1));
        sender.join().unwrap();
    });
}

/// A receiver that waits for somebody to come, with nothing but a wake-up to get it on. The one who comes may have left
/// again by then, if it has sent something.
fn coming<V: Variant>(sends: bool, preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::with_sender(1, Chair::free());
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut peer = Peer::<V>::patient(&shared);
                let mut end = peer.come::<Sending>(&shared.sender);
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
fn coming_after_a_death<V: Variant>(preemptions: usize) {
    check(preemptions, || {
        let shared = Shared::with_sender(1, Chair::taken());
        shared.sender.lives.store(0, Ordering::Relaxed);
        let next = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // The take-over's compare-and-swap; nobody asks for the first one's life any more.
                shared.sender.lives.store(1, Ordering::Relaxed);
                shared.sender.owner.swap(2, Ordering::AcqRel);
                V::come(&shared.sender.came);
                let peer = Peer::<V>::patient(&shared);
                eventcount::notify(Sending::their_bed(&shared.counters), &peer);
            }
        });
        let end = End::<Receiving, V>::resume(&shared.counters);
        let seat = Seat::<V>::new(&shared.sender);
        let seen = Watch::new(&seat);
        let mut peer = Peer::<V>::patient(&shared);
        let found = seen.is_dead();
        assert!(end.wait_for_other(&shared.counters, 1, &mut peer, &seen));
        // It came, whether or not the one before was seen.
        assert!(!found || shared.sender.owner.load(Ordering::Relaxed) == 2);
        assert!(!seen.is_gone(V::has_left));
        next.join().unwrap();
    });
}

/// A sender leaves when it has sent a message, and another one comes if it finds that: it goes on where the first has ended.
fn next_sender<V: Variant>(preemptions: usize) {
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
    first_sender::<Sound>(4);
}

#[test]
fn who_waits_for_somebody_to_come_is_woken() {
    coming::<Sound>(false, 4);
}

#[test]
fn who_has_come_and_left_meanwhile_is_not_missed_if_it_has_sent_something() {
    coming::<Sound>(true, 3);
}

#[test]
fn who_was_found_dead_is_not_taken_for_one_who_has_come() {
    coming_after_a_death::<Sound>(4);
}

#[test]
fn the_next_sender_goes_on_where_the_one_before_has_ended() {
    next_sender::<Sound>(4);
}

fails!(a_relaxed_claim_is_caught, next_sender::<Broken>(2),
    impl Steps for Broken {}
    impl Variant for Broken {
        const CLAIM: Ordering = Ordering::Relaxed;
    }
);
fails!(looking_at_the_claim_before_looking_whether_anybody_came_is_caught, first_sender::<Broken>(3),
    impl Steps for Broken {
        fn has_left(seat: &impl Seen) -> bool {
            seat.owner() == 0 && seat.came().load(Ordering::Acquire) != 0
        }
    }
    impl Variant for Broken {}
);
fails!(a_relaxed_look_whether_anybody_came_is_caught, first_sender::<Broken>(3),
    impl Steps for Broken {
        fn has_left(seat: &impl Seen) -> bool {
            seat.came().load(Ordering::Relaxed) != 0 && seat.owner() == 0
        }
    }
    impl Variant for Broken {}
);
fails!(coming_relaxed_is_caught, first_sender::<Broken>(3),
    impl Steps for Broken {
        fn come(came: &AtomicU32) {
            came.store(1, Ordering::Relaxed);
        }
    }
    impl Variant for Broken {}
);
gets_stuck!(comes_without_a_word, coming_without_a_word_is_caught, coming::<Broken>(false, 3),
    impl Steps for Broken {}
    impl Variant for Broken {
        const COMING_WAKES: bool = false;
    }
);
gets_stuck!(comes_without_a_fence, coming_without_a_fence_is_caught, coming::<Broken>(false, 3),
    impl Steps for Broken {}
    impl Variant for Broken {
        const COMING_IS_FENCED: bool = false;
    }
);
