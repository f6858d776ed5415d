//! A process that has neither end and looks at a message. Slots are relaxed atomics here, as it may copy one that is being written.
//!
//! Bounds: a ring of one slot, through which one process sends two messages and receives the first; one look at either; three
//! forced preemptions.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::thread;

use crate::primitive::Ordering;
use crate::primitive::model::CommitOrder;
use crate::protocol::eventcount::WakeAll;
use crate::protocol::loom::{check, mutant_fails};
use crate::protocol::padded::Padded;
use crate::protocol::ring::{Counters, End, Look, Mutations, Receiving, Sending, look};

struct Correct;
impl Mutations for Correct {}

/// Nobody sleeps.
struct Nobody;

impl WakeAll for Nobody {
    fn order(&self) -> CommitOrder {
        CommitOrder::Registered
    }

    fn wake_all(&self, _: &AtomicU32) {}
}

struct Shared {
    counters: Counters,
    slot: AtomicU64,
}

/// The contents of message `number`.
const fn message(number: u64) -> u64 {
    10 + number
}

/// One process has both ends: it sends a message, receives it, and sends another.
fn use_ends<S: Mutations>(shared: &Shared) {
    let mut sender = End::<Sending, S>::resume(&shared.counters);
    let mut receiver = End::<Receiving, S>::resume(&shared.counters);
    for number in 0..2 {
        assert!(sender.finds_slot(&shared.counters, 1));
        shared.slot.store(message(number), Ordering::Relaxed);
        sender.commit(&shared.counters, 1, 1, Nobody);
        if number == 0 {
            assert!(receiver.finds_slot(&shared.counters, 1));
            receiver.commit(&shared.counters, 1, 1, Nobody);
        }
    }
}

fn looking<S: Mutations + 'static>(number: u64) {
    check(3, move || {
        let shared = Arc::new(Shared {
            counters: Counters {
                tail: Padded(AtomicU64::new(0)),
                head: Padded(AtomicU64::new(0)),
                data: Padded(AtomicU32::new(0)),
                room: Padded(AtomicU32::new(0)),
            },
            slot: AtomicU64::new(0),
        });
        let looking = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let found = look::<S, _>(&shared.counters, 1, number, |slot| {
                    assert_eq!(slot, 0);
                    shared.slot.load(Ordering::Relaxed)
                });
                match found {
                    Look::Message(found) => assert_eq!(found, message(number)),
                    Look::NotSent(sent) => assert!(sent <= number),
                    Look::Received(received) => assert!(received > number),
                }
            })
        };
        use_ends::<S>(&shared);
        looking.join().unwrap();
    });
}

#[test]
fn a_look_finds_a_whole_message_or_none() {
    for number in 0..2 {
        looking::<Correct>(number);
    }
}

mutant_fails!(writing_without_a_fence_is_caught, looking::<Mutant>(0),
    impl Mutations for Mutant {
        fn before_write() {}
    }
);
mutant_fails!(a_look_without_a_fence_is_caught, looking::<Mutant>(0),
    impl Mutations for Mutant {
        fn after_look() {}
    }
);
