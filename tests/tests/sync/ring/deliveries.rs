//! The number of deliveries of a message that is handled in place.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use shm_core::ShmLayout;
use shm_core::sync::{Receiver, Ring};
use shm_tests::{DEADLINE, Names, Peer, RingSegment, peer};

fn attached(name: &str) -> Peer {
    peer!("ring attach {name}")
}

/// Receives a message and the number of its deliveries.
fn next(receiver: &mut Receiver<'_, u64, 8>) -> (u64, u32) {
    let both = receiver.recv_with(|cell, deliveries| (cell.get(), deliveries));
    both.unwrap()
}

/// Begins to handle the next message, and panics. Returns the number of deliveries.
fn panic_in(receiver: &mut Receiver<'_, u64, 8>) -> u32 {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        receiver.recv_with(|_, deliveries| resume_unwind(Box::new(deliveries)))
    }));
    *panic
        .map(|_: Result<(), _>| ())
        .unwrap_err()
        .downcast()
        .unwrap()
}

#[test]
fn each_call_that_returns_delivers_once() {
    let shm = Ring::<u64, 8>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    for round in 0..3 {
        sender.send_slice(&[round; 5]).unwrap();
        assert_eq!(next(&mut receiver), (round, 1));
        assert_eq!(receiver.try_recv_with(|_, deliveries| deliveries), Ok(1));
        assert_eq!(
            receiver.recv_with_timeout(Duration::ZERO, |_, deliveries| deliveries),
            Ok(1)
        );
        // An error of the closure's own is a return.
        let error = receiver.recv_with(|_, deliveries| Err::<(), _>(deliveries));
        assert_eq!(error, Ok(Err(1)));
        assert_eq!(receiver.recv(), Ok(round));
    }
}

#[test]
fn each_panic_counts_as_a_delivery() {
    let shm = Ring::<u64, 8>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    sender.send_slice(&[10, 11, 12, 13]).unwrap();
    for deliveries in 1..4 {
        assert_eq!(panic_in(&mut receiver), deliveries);
    }
    drop(receiver);
    let mut receiver = shm.receiver().unwrap();
    assert_eq!(panic_in(&mut receiver), 4);
    assert_eq!(next(&mut receiver), (10, 5));
    // The next message begins anew, also if the one before it was copied.
    assert_eq!(panic_in(&mut receiver), 1);
    assert_eq!(receiver.recv(), Ok(11));
    assert_eq!(next(&mut receiver), (12, 1));
    assert_eq!(panic_in(&mut receiver), 1);
    assert_eq!(next(&mut receiver), (13, 2));
}

#[test]
fn deaths_and_restarts_count_deliveries() {
    let names = Names::new("ring-deliveries");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    shm.persist().unwrap();
    let mut sender = attached(&name);
    sender.ok("ring sender");
    sender.ok("ring send try");
    sender.ok("ring send try");
    for deliveries in 1..4 {
        let mut receiver = attached(&name);
        receiver.ok("ring receiver 100000");
        let reading = format!("reading 0 {deliveries}");
        assert_eq!(receiver.ask("ring half-read"), reading);
        receiver.kill();
    }
    // All processes end, and the segment stays.
    sender.kill();
    drop(shm);
    let shm = RingSegment::open_or_create(&name).unwrap();
    let mut receiver = shm.ring.receiver_timeout(DEADLINE).unwrap();
    let deliveries = |receiver: &mut Receiver<'_, _, 5>| receiver.recv_with(|_, n| n).unwrap();
    assert_eq!(deliveries(&mut receiver), 4);
    assert_eq!(deliveries(&mut receiver), 1);
    RingSegment::unlink(&name).unwrap();
}
