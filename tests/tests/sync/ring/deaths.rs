//! Rings and the death of the process at either end, and events that are no death, or an unusual one.

use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::{ClaimError, Receiver, RecvError, RecvTimeoutError, Sender, TryRecvError};
use shm_tests::{DEADLINE, Message, Names, Peer, RingSegment, peer, sleeps};

fn attached(name: &str) -> Peer {
    peer!("ring attach {name}")
}

#[test]
fn a_dead_sender_is_reported_after_its_messages() {
    let names = Names::new("ring-dead-sender");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    for (round, how) in (0..).zip(["try", "0", "100000", "forever"]) {
        let (mut sender, mut receiver) = (attached(&name), attached(&name));
        let next = 3 * round;
        assert_eq!(receiver.ok("ring receiver"), next.to_string());
        assert_eq!(sender.ok("ring sender"), next.to_string());
        for number in next..next + 3 {
            assert_eq!(sender.ok("ring send forever"), number.to_string());
        }
        assert_eq!(receiver.ok("ring recv try"), next.to_string());
        // In the middle of the fourth message.
        assert_eq!(sender.ask("ring half-written"), "writing");
        sender.kill();
        for number in next + 1..next + 3 {
            assert_eq!(receiver.ok(&format!("ring recv {how}")), number.to_string());
        }
        assert_eq!(receiver.ok(&format!("ring recv {how}")), "disconnected");
    }
    let mut last = attached(&name);
    assert_eq!(last.ok("ring sender"), "12");
    assert_eq!(last.ok("ring send try"), "12");
}

#[test]
fn a_wait_for_an_end_dead_for_long_does_not_sleep() {
    let names = Names::new("ring-long-dead");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut least = [i64::MAX; 2];
    // The system may put a thread to sleep for reasons of its own.
    for _ in 0..5 {
        let mut peer = attached(&name);
        let mut receiver = shm.ring.receiver().unwrap();
        while receiver.try_recv().is_ok() {}
        peer.ok("ring sender");
        peer.kill();
        let before = sleeps();
        assert_eq!(receiver.recv(), Err(RecvError));
        least[0] = least[0].min(sleeps() - before);
        drop(receiver);

        let mut peer = attached(&name);
        let mut sender = shm.ring.sender().unwrap();
        let next = |sender: &Sender<'_, Message, 5>| Message::numbered(sender.position());
        // Before the peer joins: a look at it while it lives would be remembered for a tick.
        while sender.try_send(next(&sender)).is_ok() {}
        peer.ok("ring receiver");
        peer.kill();
        let before = sleeps();
        assert!(sender.send(next(&sender)).is_err());
        least[1] = least[1].min(sleeps() - before);
    }
    assert_eq!(least, [0, 0]);
}

#[test]
fn a_dead_receiver_is_reported_when_the_ring_is_full() {
    let names = Names::new("ring-dead-receiver");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    let mut sender = attached(&name);
    assert_eq!(sender.ok("ring sender"), "0");
    let (mut sent, mut received) = (0, 0);
    for how in ["try", "0", "100000", "forever"] {
        let mut receiver = attached(&name);
        assert_eq!(receiver.ok("ring receiver"), received.to_string());
        if sent == received {
            assert_eq!(sender.ok("ring send try"), sent.to_string());
            sent += 1;
        }
        assert_eq!(receiver.ok("ring recv forever"), received.to_string());
        received += 1;
        if sent == received {
            assert_eq!(sender.ok("ring send try"), sent.to_string());
            sent += 1;
        }
        // In the middle of the next message, which does not count.
        let reading = format!("reading {received} 1");
        assert_eq!(receiver.ask("ring half-read"), reading);
        receiver.kill();
        while sent < received + 5 {
            assert_eq!(sender.ok(&format!("ring send {how}")), sent.to_string());
            sent += 1;
        }
        assert_eq!(sender.ok(&format!("ring send {how}")), "disconnected");
    }
    let mut last = attached(&name);
    assert_eq!(last.ok("ring receiver"), received.to_string());
    for number in received..sent {
        assert_eq!(last.ok("ring recv try"), number.to_string());
    }
    assert_eq!(last.ok("ring recv try"), "empty");
}

#[test]
fn an_end_can_ask_whether_its_peer_is_gone() {
    let names = Names::new("ring-is-disconnected");
    let (out, back) = (names.name("out"), names.name("back"));
    let (out_shm, back_shm) = (RingSegment::create(&out), RingSegment::create(&back));
    let (out_shm, back_shm) = (out_shm.unwrap(), back_shm.unwrap());
    let sender = out_shm.ring.sender().unwrap();
    let mut receiver = back_shm.ring.receiver().unwrap();
    let gone =
        |receiver: &Receiver<'_, _, 5>| (sender.is_disconnected(), receiver.is_disconnected());
    // Nobody has ever joined.
    assert_eq!(gone(&receiver), (false, false));
    for (round, kill) in [(0, false), (1, true), (2, false)] {
        let (mut other_receiver, mut other_sender) = (attached(&out), attached(&back));
        other_receiver.ok("ring receiver");
        other_sender.ok("ring sender");
        other_sender.ok("ring send try");
        assert_eq!(gone(&receiver), (false, false));
        if kill {
            other_receiver.kill();
            other_sender.kill();
        } else {
            other_receiver.ok("ring drop");
            other_sender.ok("ring drop");
        }
        // Whether or not there are messages, or room.
        assert_eq!(gone(&receiver), (true, true));
        assert_eq!(receiver.try_recv(), Ok(Message::numbered(round)));
        assert_eq!(gone(&receiver), (true, true));
    }
}

#[test]
fn a_sleeper_continues_when_the_dead_peer_is_replaced() {
    let names = Names::new("ring-replaced");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let (mut first, mut second) = (attached(&name), attached(&name));
    first.ok("ring sender");
    first.ok("ring send try");
    let mut receiver = shm.ring.receiver().unwrap();
    assert_eq!(receiver.recv().unwrap().number, 0);
    second.tell("ring sender 100000");
    first.kill();
    assert_eq!(second.hear(), "ok 1");
    second.tell("ring send forever");
    assert_eq!(receiver.recv_timeout(DEADLINE).unwrap().number, 1);
    assert_eq!(second.hear(), "ok 1");
}

#[test]
fn a_stopped_process_keeps_its_end() {
    let names = Names::new("ring-stopped");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut sender = attached(&name);
    sender.ok("ring sender");
    let mut receiver = shm.ring.receiver().unwrap();
    sender.stop();
    assert!(matches!(shm.ring.sender(), Err(ClaimError::Taken(_))));
    let span = Duration::from_millis(120);
    assert_eq!(receiver.recv_timeout(span), Err(RecvTimeoutError::Timeout));
    sender.kill();
    assert_eq!(receiver.recv(), Err(RecvError));
}

#[test]
fn exec_gives_up_both_ends() {
    let names = Names::new("ring-exec");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut sender = attached(&name);
    sender.ok("ring sender");
    sender.ok("ring send try");
    // This command needs a segment with a lock.
    let locked = names.name("locked");
    let _locked = shm_tests::Guarded::create(&locked).unwrap();
    sender.ok(&format!("claims attach {locked}"));
    sender.tell("claims exec");
    assert_eq!(sender.hear(), "executing");
    assert_eq!(sender.ask("are you there"), "are you there");
    let mut receiver = shm.ring.receiver().unwrap();
    assert_eq!(receiver.iter().count(), 1);
    assert_eq!(shm.ring.sender().unwrap().position(), 1);
    sender.end();
}

#[test]
fn inherited_ends_belong_to_the_parent() {
    let names = Names::new("ring-fork");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let (mut parent, mut other) = (attached(&name), attached(&name));
    parent.ok("ring sender");
    parent.ok("ring receiver");
    parent.ok("ring send try");
    // The child cannot use them, and dropping them releases nothing.
    parent.ok("ring fork-use");
    assert_eq!(other.ok("ring sender"), "taken");
    assert_eq!(other.ok("ring receiver"), "taken");
    assert_eq!(parent.ok("ring recv try"), "0");
    parent.ok("ring drop");

    // A child can claim ends itself; its parent's death is noticed although the child has a copy of everything.
    parent.ok("ring sender");
    parent.ok("ring send try");
    parent.ok("fork-continue");
    assert_eq!(parent.ok("ring receiver"), "1");
    assert_eq!(parent.ok("ring recv try"), "1");
    assert_eq!(parent.ok("ring recv 0"), "timed-out");
    assert_eq!(other.ok("ring receiver"), "taken");
    parent.kill();
    assert_eq!(parent.ok("ring recv forever"), "disconnected");
    assert_eq!(shm.ring.sender().unwrap().position(), 2);
}

#[test]
fn a_fork_inside_send_with_leaves_it_to_the_parent() {
    let names = Names::new("ring-fork-inside");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    assert_eq!(attached(&name).ok("ring fork-inside"), "3 2");
}

#[test]
fn a_reported_death_stays_reported_until_a_peer_joins() {
    let names = Names::new("ring-reported");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut sender = attached(&name);
    sender.ok("ring sender");
    let mut receiver = shm.ring.receiver().unwrap();
    sender.kill();
    assert_eq!(receiver.recv(), Err(RecvError));
    for _ in 0..1000 {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
    assert_eq!(receiver.recv(), Err(RecvError));
    let mut next = attached(&name);
    next.ok("ring sender");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    next.ok("ring send try");
    assert_eq!(receiver.recv().unwrap().number, 0);
}

#[test]
fn a_forgotten_end_is_free_after_its_handle_is_dropped() {
    let names = Names::new("ring-forgotten");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let other = RingSegment::attach(&name).unwrap();
    let mut sender = other.ring.sender().unwrap();
    sender.send(Message::numbered(0)).unwrap();
    std::mem::forget(sender);
    // Two handles are two participants, also in one process.
    assert!(matches!(other.ring.sender(), Err(ClaimError::Taken(_))));
    assert!(matches!(shm.ring.sender(), Err(ClaimError::Taken(_))));
    let mut receiver = shm.ring.receiver().unwrap();
    assert!(receiver.recv().is_ok());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(other);
    assert_eq!(receiver.recv(), Err(RecvError));
    assert_eq!(shm.ring.sender().unwrap().position(), 1);
}

#[test]
fn a_panic_in_a_closure_sends_and_receives_nothing() {
    let shm = RingSegment::create_anonymous().unwrap();
    let panicked = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut sender = shm.ring.sender().unwrap();
            sender.send(Message::numbered(0)).unwrap();
            sender
                .send_with(|cell| {
                    cell.number.set(77);
                    // Without the message of an expected panic.
                    std::panic::resume_unwind(Box::new("on purpose"))
                })
                .unwrap()
        });
        let sent: Result<(), _> = thread.join();
        let thread = scope.spawn(|| {
            let mut receiver = shm.ring.receiver().unwrap();
            receiver
                .recv_with(|_, _| std::panic::resume_unwind(Box::new("on purpose")))
                .unwrap()
        });
        let received: Result<(), _> = thread.join();
        sent.is_err() && received.is_err()
    });
    assert!(panicked);
    // Both have left normally.
    let mut receiver = shm.ring.receiver().unwrap();
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [Message::numbered(0)]);
    assert_eq!(shm.ring.sender().unwrap().position(), 1);
}

#[test]
fn signals_affect_neither_timeouts_nor_recovery() {
    let names = Names::new("ring-signals");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut waiting = attached(&name);
    waiting.ok("claims timer");
    waiting.ok("ring receiver");
    let mut sender = attached(&name);
    sender.ok("ring sender");
    let start = Instant::now();
    assert_eq!(waiting.ok("ring recv 100"), "timed-out");
    assert!(start.elapsed() >= Duration::from_millis(100));
    sender.ok("ring send try");
    assert_eq!(waiting.ok("ring recv 100000"), "0");
    waiting.tell("ring recv forever");
    sender.kill();
    assert_eq!(waiting.hear(), "ok disconnected");
    assert_eq!(shm.ring.received(), 1);
}
