//! Receivers that wait for the next sender instead of returning `Disconnected`.

use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;
use shm_core::sync::broadcast::{RecvError, RecvTimeoutError, TryRecvError};
use shm_tests::{Names, step};

use super::{Queue, attached, drain, send};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_reconnecting_receiver_waits_out_its_timeout() {
    let names = Names::new("broadcast-reconnecting");
    let name = names.name("t");
    let shm = Broadcast::<u64, 4>::create(&name).unwrap();
    let reader = Broadcast::<u64, 4>::attach_read_only(&name).unwrap();
    let mut receiver = shm.receiver().reconnecting();
    let mut reading = reader.receiver().reconnecting();
    for round in 0..2 {
        send(&mut shm.sender().unwrap(), round..round + 1);
        assert_eq!(receiver.recv().unwrap(), round);
        assert_eq!(reading.recv().unwrap(), round);
        let start = Instant::now();
        let late = receiver.recv_timeout(SHORT);
        assert!(matches!(late, Err(RecvTimeoutError::Timeout)));
        let late = reading.recv_timeout(SHORT);
        assert!(matches!(late, Err(RecvTimeoutError::Timeout)));
        assert!(start.elapsed() >= 2 * SHORT);
    }
    let late = [
        receiver.recv_into_timeout(&mut 0, SHORT),
        receiver.recv_slice_timeout(&mut [0; 2], SHORT).map(drop),
        receiver.recv_with_timeout(SHORT, |_| panic!("called")),
        receiver.recv_deadline(Instant::now()).map(drop),
    ];
    for late in late {
        assert!(matches!(late, Err(RecvTimeoutError::Timeout)));
    }
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    // The losses are still reported, and so is what would be if it were asked for.
    send(&mut shm.sender().unwrap(), 2..8);
    assert!(matches!(receiver.recv(), Err(RecvError::Lagged(2))));
    assert!(receiver.is_disconnected());
    // A clone has the same setting, and another receiver of the queue has its own.
    let mut clone = receiver.clone();
    assert_eq!(drain(&mut clone), [4, 5, 6, 7]);
    assert!(matches!(clone.try_recv(), Err(TryRecvError::Empty)));
    let gone = shm.receiver().try_recv();
    assert!(matches!(gone, Err(TryRecvError::Disconnected)));
}

#[test]
fn a_waiting_receiver_gets_the_next_senders_message() {
    let names = Names::new("broadcast-reconnecting-next");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let mut receiver = shm.receiver().reconnecting();
    // The sender leaves or is killed, before the wait or during it.
    let ways = [(false, false), (false, true), (true, false), (true, true)];
    for (number, (kill, during)) in (1..).zip(ways) {
        let mut first = attached(&name);
        first.ok("broadcast sender 100000");
        let end = |mut first: shm_tests::Peer| {
            if kill {
                first.kill();
            } else {
                first.ok("broadcast leave");
            }
        };
        let mut first = Some(first);
        if !during {
            first.take().map(end);
        }
        std::thread::scope(|scope| {
            let receiver = &mut receiver;
            let received = step::spawn_until_asleep(scope, move || receiver.recv());
            first.take().map(end);
            let mut next = attached(&name);
            next.ok("broadcast sender 100000");
            next.ok(&format!("broadcast send {number}"));
            assert_eq!(received.join().unwrap().unwrap(), [number; 8]);
        });
    }
}

#[test]
fn is_disconnected_sees_senders_leave_die_and_join() {
    let names = Names::new("broadcast-is-disconnected");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let reader = Queue::attach_read_only(&name).unwrap();
    let (mut receiver, reading) = (shm.receiver(), reader.receiver());
    assert!(!receiver.is_disconnected() && !reading.is_disconnected());
    let mut peer = attached(&name);
    peer.ok("broadcast sender");
    assert!(!receiver.is_disconnected() && !reading.is_disconnected());
    peer.ok("broadcast send 1");
    peer.ok("broadcast leave");
    // Whatever is still there to receive.
    assert!(receiver.is_disconnected() && reading.is_disconnected());
    assert_eq!(receiver.recv().unwrap(), [1; 8]);
    peer.ok("broadcast sender");
    assert!(!receiver.is_disconnected() && !reading.is_disconnected());
    peer.kill();
    let gone = receiver.recv();
    assert!(matches!(gone, Err(RecvError::Disconnected)));
    assert!(receiver.is_disconnected() && reading.is_disconnected());
}
