//! Ends that wait for the next peer instead of returning `Disconnected`.

use std::time::{Duration, Instant};

use shm_core::sync::{
    RecvTimeoutError, Ring, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Message, Names, Peer, RingSegment, peer, step};

const SHORT: Duration = Duration::from_millis(20);

fn attached(name: &str) -> Peer {
    peer!("ring attach {name}")
}

#[test]
fn a_reconnecting_end_waits_out_its_timeout() {
    let shm = Ring::<u64, 2>::create_anonymous().unwrap();
    let mut receiver = shm.receiver().unwrap().reconnecting();
    for _ in 0..2 {
        drop(shm.sender().unwrap());
        let start = Instant::now();
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert!(start.elapsed() >= SHORT);
    }
    let timeout = Err(RecvTimeoutError::Timeout);
    assert_eq!(receiver.recv_into_timeout(&mut 0, SHORT), timeout);
    assert_eq!(
        receiver.recv_with_timeout(SHORT, |_, _| panic!("called")),
        timeout
    );
    let slice = receiver.recv_slice_timeout(&mut [0; 2], SHORT);
    assert_eq!(slice, Err(RecvTimeoutError::Timeout));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(receiver.try_iter().next(), None);
    // It still says what it would not report.
    assert!(receiver.is_disconnected());
    drop(receiver);

    let mut sender = shm.sender().unwrap().reconnecting();
    sender.send_slice(&[1, 2]).unwrap();
    let start = Instant::now();
    let full = sender.send_timeout(3, SHORT);
    assert_eq!(full, Err(SendTimeoutError::Timeout(3)));
    assert!(start.elapsed() >= SHORT);
    let full = sender.send_slice_timeout(&[3], SHORT);
    assert_eq!(full, Err(SendTimeoutError::Timeout(&[3][..])));
    let full = sender.send_with_timeout(SHORT, |_| panic!("called"));
    assert_eq!(full, Err::<(), _>(SendTimeoutError::Timeout(())));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert!(sender.is_disconnected());
    drop(sender);
    // The setting belongs to this owner of the end, not to the ring.
    let mut next = shm.sender().unwrap();
    assert_eq!(next.send(3), Err(SendError(3)));
}

/// A peer gives its end up.
fn end(peer: &mut Peer, kill: bool) {
    if kill {
        peer.kill();
    } else {
        peer.ok("ring drop");
    }
}

#[test]
fn a_waiting_receiver_gets_the_next_senders_message() {
    let names = Names::new("ring-reconnecting-in");
    let name = names.name("t");
    let shm: Shm<RingSegment> = RingSegment::create(&name).unwrap();
    let mut receiver = shm.ring.receiver().unwrap().reconnecting();
    // The sender leaves or is killed, before the wait or during it.
    let ways = [(false, false), (false, true), (true, false), (true, true)];
    for (number, (kill, during)) in (0..).zip(ways) {
        let mut first = attached(&name);
        first.ok("ring sender");
        if !during {
            end(&mut first, kill);
        }
        std::thread::scope(|scope| {
            let receiver = &mut receiver;
            let received = step::spawn_until_asleep(scope, move || receiver.recv());
            if during {
                end(&mut first, kill);
            }
            let mut next = attached(&name);
            assert_eq!(next.ok("ring sender 100000"), number.to_string());
            next.ok("ring send forever");
            assert_eq!(received.join().unwrap(), Ok(Message::numbered(number)));
        });
    }
}

#[test]
fn a_waiting_sender_gets_the_next_receivers_room() {
    let names = Names::new("ring-reconnecting-out");
    let name = names.name("t");
    let shm: Shm<RingSegment> = RingSegment::create(&name).unwrap();
    let mut sender = shm.ring.sender().unwrap().reconnecting();
    let messages: Vec<Message> = (0..8).map(Message::numbered).collect();
    for kill in [false, true] {
        let mut first = attached(&name);
        first.ok("ring receiver");
        while sender
            .try_send(messages[sender.position() as usize % 8])
            .is_ok()
        {}
        end(&mut first, kill);
        let next = sender.position();
        std::thread::scope(|scope| {
            let sender = &mut sender;
            let message = &messages[next as usize % 8..][..1];
            let sent = step::spawn_until_asleep(scope, move || sender.send_slice(message).is_ok());
            let mut second = attached(&name);
            second.ok("ring receiver 100000");
            second.ok("ring recv try");
            assert!(sent.join().unwrap());
        });
        assert_eq!(sender.position(), next + 1);
    }
}

#[test]
fn an_iterator_of_a_reconnecting_end_goes_on() {
    let shm = Ring::<u64, 4>::create_anonymous().unwrap();
    let mut receiver = shm.receiver().unwrap().reconnecting();
    std::thread::scope(|scope| {
        let three = step::spawn_until_asleep(scope, || receiver.iter().take(3).collect::<Vec<_>>());
        for number in 1..=3 {
            shm.sender_timeout(DEADLINE).unwrap().send(number).unwrap();
        }
        assert_eq!(three.join().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn a_fork_child_of_a_reconnecting_end_is_disconnected() {
    let names = Names::new("ring-reconnecting-fork");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    let mut parent = attached(&name);
    parent.ok("ring sender");
    parent.ok("ring receiver");
    parent.ok("ring reconnecting");
    parent.ok("ring fork-use");
}
