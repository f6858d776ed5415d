//! Waiting for a process to claim the other end of a ring.

use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::{RecvError, Ring, TimedOut, TryRecvError, TrySendError};
use shm_tests::{DEADLINE, Message, Names, Peer, RingSegment, peer};

const NO_TIME: Duration = Duration::ZERO;
const SHORT: Duration = Duration::from_millis(20);

fn attached(name: &str) -> Peer {
    peer!("ring attach {name}")
}

#[test]
fn waiting_for_a_peer_returns_at_once_if_it_is_there() {
    let shm = Ring::<u64, 2>::create_anonymous().unwrap();
    let mut receiver = shm.receiver().unwrap();
    // No sender ever joined, one is there, it has left, the next one is there.
    assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Err(TimedOut));
    let start = Instant::now();
    assert_eq!(receiver.wait_for_sender_timeout(SHORT), Err(TimedOut));
    assert!(start.elapsed() >= SHORT);
    for _ in 0..2 {
        let sender = shm.sender().unwrap();
        assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Ok(()));
        assert_eq!(sender.wait_for_receiver_timeout(NO_TIME), Ok(()));
        drop(sender);
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Err(TimedOut));
    }
    drop(receiver);
    let sender = shm.sender().unwrap();
    assert_eq!(sender.wait_for_receiver_timeout(NO_TIME), Err(TimedOut));
}

#[test]
fn unseen_activity_of_a_peer_counts_as_its_arrival() {
    // Sent long ago, as far as the receiver can know.
    let shm = Ring::<u64, 2>::create_anonymous().unwrap();
    let mut receiver = shm.receiver().unwrap();
    shm.sender().unwrap().send(1).unwrap();
    for _ in 0..2 {
        assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Ok(()));
    }
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Err(TimedOut));
    drop(receiver);
    // A receiver that joins later counts only what happens after that.
    shm.sender().unwrap().send(2).unwrap();
    let receiver = shm.receiver().unwrap();
    assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Err(TimedOut));

    let shm = Ring::<u64, 1>::create_anonymous().unwrap();
    let mut sender = shm.sender().unwrap();
    sender.send(1).unwrap();
    assert_eq!(shm.receiver().unwrap().recv(), Ok(1));
    assert_eq!(sender.wait_for_receiver_timeout(NO_TIME), Ok(()));
}

#[test]
fn a_peer_that_came_acted_and_left_is_noticed() {
    let shm = Ring::<u64, 2>::create_anonymous().unwrap();
    let mut receiver = shm.receiver().unwrap();
    drop(shm.sender().unwrap());
    assert_eq!(receiver.recv(), Err(RecvError));
    shm.sender().unwrap().send_slice(&[1, 2]).unwrap();
    assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Ok(()));
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Err(TimedOut));
    drop(receiver);

    let mut sender = shm.sender().unwrap();
    sender.send_slice(&[3, 4]).unwrap();
    assert_eq!(sender.try_send(5), Err(TrySendError::Disconnected(5)));
    assert_eq!(sender.wait_for_receiver_timeout(NO_TIME), Err(TimedOut));
    assert_eq!(shm.receiver().unwrap().recv(), Ok(3));
    assert_eq!(sender.wait_for_receiver_timeout(NO_TIME), Ok(()));
    sender.send(5).unwrap();
    // Room that existed before is no sign of a receiver.
    assert_eq!(shm.receiver().unwrap().recv(), Ok(4));
    sender.try_send(6).unwrap();
    assert_eq!(shm.receiver().unwrap().try_iter().count(), 2);
    sender.send(7).unwrap();
    assert_eq!(sender.wait_for_receiver_timeout(NO_TIME), Err(TimedOut));
}

#[test]
fn a_dead_peer_does_not_count_as_arrived() {
    let names = Names::new("ring-coming-dead");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut receiver = shm.ring.receiver().unwrap();
    let mut dead = attached(&name);
    dead.ok("ring sender");
    dead.kill();
    // Whether or not the death was reported before.
    assert_eq!(receiver.wait_for_sender_timeout(NO_TIME), Err(TimedOut));
    assert_eq!(receiver.wait_for_sender_timeout(SHORT), Err(TimedOut));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receiver.wait_for_sender_timeout(SHORT), Err(TimedOut));
    let mut next = attached(&name);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| receiver.wait_for_sender_timeout(DEADLINE));
        next.ok("ring sender");
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    next.ok("ring send try");
    assert_eq!(receiver.recv(), Ok(Message::numbered(0)));
}

#[test]
fn processes_at_both_ends_can_wait_for_each_other() {
    let names = Names::new("ring-coming");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    let (mut sender, mut receiver) = (attached(&name), attached(&name));
    sender.ok("ring sender");
    assert_eq!(sender.ok("ring await receiver 1"), "timed-out");
    sender.tell("ring await receiver forever");
    receiver.ok("ring receiver");
    assert_eq!(sender.hear(), "ok there");
    sender.kill();
    assert_eq!(receiver.ok("ring recv forever"), "disconnected");
    receiver.tell("ring await sender forever");
    let mut next = attached(&name);
    next.ok("ring sender");
    assert_eq!(receiver.hear(), "ok there");
    assert_eq!(receiver.ok("ring recv try"), "empty");
    assert_eq!(next.ok("ring send try"), "0");
    assert_eq!(receiver.ok("ring recv try"), "0");
}
