//! Broadcasts: every receiver gets every message or the number that it lost, and senders can follow one another.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use shm_core::layout::LayoutKind;
use shm_core::sync::ClaimError;
use shm_core::sync::broadcast::{RecvError, RecvTimeoutError, TryRecvError};
use shm_core::sync::{Broadcast, BroadcastReceiver, BroadcastSender};
use shm_core::{Access, Shm, ShmLayout};
use shm_tests::{Block, DEADLINE, Names, Peer, RandomDelays, SmallValue, next_to, peer, sleeps};

mod in_place;
mod more;
mod reconnecting;

/// As in the peers.
type Queue = Broadcast<SmallValue, 5>;

fn attached(name: &str) -> Peer {
    peer!("broadcast attach {name}")
}

fn reading(name: &str) -> Peer {
    peer!("broadcast attach-read-only {name}")
}

fn send<const N: usize>(sender: &mut BroadcastSender<'_, u64, N>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        sender.send(number).unwrap();
    }
}

/// Receives the numbered blocks of a sender at full speed, until it ends after `messages`. `recv` returns whether the next message
/// is whole and has this number.
fn receive_blocks<const N: usize>(
    mut receiver: BroadcastReceiver<'_, Block, N>,
    messages: u64,
    recv: impl Fn(&mut BroadcastReceiver<'_, Block, N>, u64) -> Result<bool, RecvError>,
) {
    let mut next = 0;
    loop {
        match recv(&mut receiver, next) {
            Ok(is_numbered) => {
                assert!(is_numbered);
                next += 1;
            }
            Err(RecvError::Lagged(count)) => next += count,
            Err(RecvError::Disconnected) => break,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(receiver.position(), next);
    }
    assert_eq!(next, messages);
}

/// All available messages at once.
fn drain<const N: usize, A: Access>(receiver: &mut BroadcastReceiver<'_, u64, N, A>) -> Vec<u64> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

#[test]
fn a_wait_for_a_sender_dead_for_long_does_not_sleep() {
    let names = Names::new("broadcast-long-dead");
    let name = names.name("t");
    let _shm = Queue::create(&name).unwrap();
    let reader = Queue::attach_read_only(&name).unwrap();
    let mut least = i64::MAX;
    // The system may put a thread to sleep for reasons of its own.
    for _ in 0..5 {
        let mut peer = attached(&name);
        peer.ok("broadcast sender");
        peer.kill();
        let mut receiver = reader.receiver();
        let before = sleeps();
        assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
        least = least.min(sleeps() - before);
    }
    assert_eq!(least, 0);
}

#[test]
fn every_receiver_gets_every_message_in_order() {
    let names = Names::new("broadcast-all");
    let name = names.name("t");
    let shm = Broadcast::<u64, 8>::create(&name).unwrap();
    let read_only = Broadcast::<u64, 8>::attach_read_only(&name).unwrap();
    let (mut one, mut two) = (shm.receiver(), read_only.receiver());
    // No sender has joined, which is not a disconnect.
    assert!(matches!(one.try_recv(), Err(TryRecvError::Empty)));
    assert!(matches!(two.try_recv(), Err(TryRecvError::Empty)));
    let mut sender = shm.sender().unwrap();
    for round in 0..10 {
        send(&mut sender, round * 8..round * 8 + 8);
        assert_eq!((one.behind(), sender.position()), (8, round * 8 + 8));
        let expected: Vec<u64> = (round * 8..round * 8 + 8).collect();
        assert_eq!(drain(&mut one), expected);
        assert_eq!(drain(&mut two), expected);
        assert!(matches!(two.try_recv(), Err(TryRecvError::Empty)));
    }
    // A later receiver gets what is still there, or what comes from now on.
    assert_eq!(
        drain(&mut read_only.receiver_from_oldest()),
        (72..80).collect::<Vec<_>>()
    );
    let mut late = shm.receiver();
    send(&mut sender, 80..81);
    assert_eq!((late.recv().unwrap(), one.recv().unwrap()), (80, 80));
    assert_eq!(read_only.sent(), 81);
    let mut out = 0;
    two.recv_into(&mut out).unwrap();
    assert_eq!(out, 80);
    assert!(matches!(
        two.recv_into_timeout(&mut out, Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    ));
    send(&mut sender, 81..82);
    late.try_recv_into(&mut out).unwrap();
    assert_eq!(out, 81);
    assert!(matches!(
        late.try_recv_into(&mut out),
        Err(TryRecvError::Empty)
    ));
}

#[test]
fn slices_hold_the_messages_that_are_there() {
    let shm = Broadcast::<u64, 8>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    let (mut out, no_time) = ([99; 4], Duration::ZERO);
    // No room needs no message.
    assert_eq!(receiver.recv_slice(&mut []).unwrap(), 0);
    assert_eq!(receiver.try_recv_slice(&mut []).unwrap(), 0);
    assert_eq!(receiver.recv_slice_timeout(&mut [], no_time).unwrap(), 0);
    assert!(matches!(
        receiver.try_recv_slice(&mut out),
        Err(TryRecvError::Empty)
    ));
    assert!(matches!(
        receiver.recv_slice_timeout(&mut out, no_time),
        Err(RecvTimeoutError::Timeout)
    ));
    send(&mut sender, 0..7);
    assert_eq!(receiver.recv_slice(&mut out).unwrap(), 4);
    assert_eq!(out, [0, 1, 2, 3]);
    assert_eq!(receiver.try_recv_slice(&mut out[..2]).unwrap(), 2);
    assert_eq!(
        receiver.recv_slice_timeout(&mut out[2..], no_time).unwrap(),
        1
    );
    assert_eq!((out[..3].to_vec(), receiver.position()), (vec![4, 5, 6], 7));
    send(&mut sender, 7..17);
    assert!(matches!(
        receiver.recv_slice(&mut out),
        Err(RecvError::Lagged(2))
    ));
    // What was sent before the end comes before it.
    drop(sender);
    let mut all = [0; 9];
    assert_eq!(receiver.recv_slice(&mut all).unwrap(), 8);
    assert_eq!(all[..8], [9, 10, 11, 12, 13, 14, 15, 16]);
    assert!(matches!(
        receiver.recv_slice(&mut all),
        Err(RecvError::Disconnected)
    ));
}

#[test]
fn a_receiver_that_falls_behind_gets_lagged() {
    let shm = Broadcast::<u64, 4>::create_anonymous().unwrap();
    let mut sender = shm.sender().unwrap();
    let mut receiver = shm.receiver();
    send(&mut sender, 0..4);
    assert_eq!((receiver.behind(), shm.capacity()), (4, 4));
    // The last that fits, and the first that does not.
    assert_eq!(receiver.recv().unwrap(), 0);
    send(&mut sender, 4..5);
    assert_eq!(drain(&mut receiver), [1, 2, 3, 4]);
    send(&mut sender, 5..10);
    assert_eq!(receiver.behind(), 5);
    assert!(matches!(receiver.recv(), Err(RecvError::Lagged(1))));
    assert_eq!(receiver.behind(), 4);
    assert_eq!(drain(&mut receiver), [6, 7, 8, 9]);
    send(&mut sender, 10..1000);
    assert!(matches!(
        receiver.recv_timeout(DEADLINE),
        Err(RecvTimeoutError::Lagged(986))
    ));
    send(&mut sender, 1000..1001);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(1))));
    assert_eq!(drain(&mut receiver), [997, 998, 999, 1000]);
    // The smallest possible broadcast.
    let shm = Broadcast::<u64, 1>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    send(&mut sender, 0..3);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(2))));
    assert_eq!(drain(&mut receiver), [2]);
}

#[test]
fn a_departed_sender_is_reported_after_the_last_message() {
    let names = Names::new("broadcast-leave");
    let name = names.name("t");
    let shm = Broadcast::<u64, 4>::create(&name).unwrap();
    let read_only = Broadcast::<u64, 4>::attach_read_only(&name).unwrap();
    let (mut one, mut two) = (shm.receiver(), read_only.receiver());
    let mut sender = shm.sender().unwrap();
    send(&mut sender, 0..2);
    drop(sender);
    assert_eq!(drain(&mut one), [0, 1]);
    assert_eq!(drain(&mut two), [0, 1]);
    for _ in 0..2 {
        assert!(matches!(one.recv(), Err(RecvError::Disconnected)));
        assert!(matches!(one.try_recv(), Err(TryRecvError::Disconnected)));
        assert!(matches!(
            two.recv_timeout(DEADLINE),
            Err(RecvTimeoutError::Disconnected)
        ));
    }
    // The next sender continues where the previous one stopped, and so do the receivers.
    let mut sender = shm.sender().unwrap();
    assert_eq!(sender.position(), 2);
    assert!(matches!(two.try_recv(), Err(TryRecvError::Empty)));
    send(&mut sender, 2..3);
    assert_eq!((one.recv().unwrap(), two.recv().unwrap()), (2, 2));
    // There is one at a time.
    assert!(matches!(shm.sender(), Err(ClaimError::Taken(_))));
    let start = Instant::now();
    let refused = shm.sender_timeout(Duration::from_millis(20));
    assert!(matches!(refused, Err(ClaimError::Taken(_))));
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_message_and_the_senders_departure_wake_receivers() {
    let names = Names::new("broadcast-wait");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let mut peers = [attached(&name), reading(&name)];
    let mut sender = shm.sender().unwrap();
    for number in 1..20 {
        for peer in &mut peers {
            peer.tell("broadcast recv 100000");
        }
        sender.send([number; 8]).unwrap();
        for peer in &mut peers {
            assert_eq!(peer.hear(), format!("ok {number} whole"));
        }
    }
    assert_eq!(peers[0].ok("broadcast recv 1"), "timed-out");
    for peer in &mut peers {
        peer.tell("broadcast recv 100000");
    }
    drop(sender);
    for peer in &mut peers {
        assert_eq!(peer.hear(), "ok disconnected");
    }
    // Signals change nothing.
    let mut sender = shm.sender().unwrap();
    for peer in &mut peers {
        peer.ok("claims timer");
        let start = Instant::now();
        assert_eq!(peer.ok("broadcast recv 100"), "timed-out");
        assert!(start.elapsed() >= Duration::from_millis(100));
        peer.tell("broadcast recv 100000");
    }
    sender.send([20; 8]).unwrap();
    for peer in &mut peers {
        assert_eq!(peer.hear(), "ok 20 whole");
    }
}

#[test]
fn a_killed_sender_is_reported_and_replaceable() {
    let names = Names::new("broadcast-killed");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let (mut receiver, mut waiting, mut reader) =
        (attached(&name), attached(&name), reading(&name));
    for number in 0..3 {
        let mut sender = attached(&name);
        // The previous sender is dead, and everything it sent is there.
        assert_eq!(sender.ok("broadcast sender"), number.to_string());
        sender.ok(&format!("broadcast send {number}"));
        assert_eq!(
            waiting.ok("broadcast recv 100000"),
            format!("{number} whole")
        );
        waiting.tell("broadcast recv 100000");
        sender.kill();
        assert_eq!(waiting.hear(), "ok disconnected");
        assert_eq!(receiver.ok("broadcast recv 0"), format!("{number} whole"));
        assert_eq!(receiver.ok("broadcast recv 0"), "disconnected");
        // So does a receiver with a read-only handle, and one that never waits.
        assert_eq!(reader.ok("broadcast try"), format!("{number} whole"));
        for peer in [&mut receiver, &mut reader] {
            let start = Instant::now();
            while peer.ok("broadcast try") != "disconnected" {
                assert!(start.elapsed() < DEADLINE);
            }
        }
        assert_eq!(reader.ok("broadcast recv 0"), "disconnected");
    }
    // A waiting successor notices the death.
    let (mut sender, mut next) = (attached(&name), attached(&name));
    sender.ok("broadcast sender");
    assert!(next.ask("broadcast sender 30").contains("holds this end"));
    next.tell("broadcast sender 100000");
    sender.kill();
    assert_eq!(next.hear(), "ok 3");
    assert!(shm.sender().is_err());
}

#[test]
fn a_stopped_sender_is_not_reported_as_dead() {
    let names = Names::new("broadcast-stopped");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let mut sender = attached(&name);
    sender.ok("broadcast sender");
    sender.ok("broadcast send 7");
    sender.stop();
    let reader = Queue::attach_read_only(&name).unwrap();
    let mut receiver = shm.receiver_from_oldest();
    let mut read_only = reader.receiver_from_oldest();
    assert_eq!(receiver.recv().unwrap(), [7; 8]);
    assert_eq!(read_only.recv().unwrap(), [7; 8]);
    let timeout = Duration::from_millis(60);
    let nothing = receiver.recv_timeout(timeout);
    assert!(matches!(nothing, Err(RecvTimeoutError::Timeout)));
    let nothing = read_only.recv_timeout(timeout);
    assert!(matches!(nothing, Err(RecvTimeoutError::Timeout)));
    assert!(matches!(shm.sender(), Err(ClaimError::Taken(_))));
    sender.kill();
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(read_only.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_fork_child_can_receive_but_not_send() {
    let names = Names::new("broadcast-fork");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let mut receiver = shm.receiver();
    let mut parent = attached(&name);
    parent.ok("broadcast sender");
    // The child cannot send through the inherited sender, and dropping it has no effect.
    parent.ok("broadcast fork-send");
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    parent.ok("broadcast send 1");
    assert_eq!(receiver.recv().unwrap(), [1; 8]);
    // Nor can one that was forked in the middle of a message: that is the parent's, and is sent once.
    parent.ok("broadcast fork-inside 1");
    assert_eq!(receiver.recv().unwrap(), [1; 8]);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    // From here on the child answers.
    parent.ok("fork-continue");
    assert_eq!(parent.ok("broadcast try"), "1 whole");
    assert_eq!(parent.ok("broadcast try"), "1 whole");
    assert!(parent.ask("broadcast sender").contains("holds this end"));
    parent.kill();
    // Kills the parent: now the child can claim the sender.
    assert_eq!(parent.ok("broadcast sender 100000"), "2");
    parent.ok("broadcast send 2");
    assert_eq!(receiver.recv().unwrap(), [2; 8]);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u32)]
enum Order {
    Buy = 1,
    Sell = 2,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Market {
    orders: [Broadcast<Order, 2>; 2],
}

#[test]
fn broadcasts_of_enums_nest_in_arrays_and_structs() {
    // There is no message yet, so none is invalid.
    let shm = Market::create_anonymous().unwrap();
    assert!(shm.validate().is_ok());
    let mut sender = shm.orders[1].sender().unwrap();
    let mut receiver = shm.orders[1].receiver();
    for order in [Order::Buy, Order::Sell] {
        sender.send(order).unwrap();
    }
    assert_eq!(receiver.recv().unwrap(), Order::Buy);
    // A peer writes an invalid message. It is reported, and skipped.
    let LayoutKind::Meaning { inner, .. } = Broadcast::<Order, 2>::LAYOUT.kind() else {
        panic!("it has a meaning");
    };
    let slots = inner.fields().last().unwrap().offset();
    let at = std::ptr::from_ref(&shm.orders[1])
        .cast::<u8>()
        .cast_mut()
        .wrapping_add(slots + 4);
    // SAFETY: the second slot of a live, writable mapping, aligned, and only accessed atomically.
    unsafe { AtomicU32::from_ptr(at.cast()) }.store(9, Relaxed);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Invalid(error)) if error.found() == 9));
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    assert!(
        Market::LAYOUT
            .to_string()
            .contains("[Broadcast<Order (u32), 2>; 2]")
    );
    assert!(format!("{:?}", *shm.orders[1]).contains("sent: 2"));
}

#[test]
fn broadcast_ends_move_between_threads() {
    let shm = Broadcast::<u64, 1024>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    shm_tests::scope(|scope| {
        scope.start(move || {
            let mut next = 0;
            loop {
                match receiver.recv() {
                    Ok(number) => {
                        assert_eq!(number, next);
                        next += 1;
                    }
                    Err(RecvError::Lagged(count)) => next += count,
                    Err(RecvError::Disconnected) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(next, 100_000);
        });
        scope.start(move || send(&mut sender, 0..100_000));
    });
}

#[test]
fn random_words_in_a_broadcast_are_harmless() {
    let shm = Queue::create_anonymous().unwrap();
    let reader = shm.read_only();
    let LayoutKind::Meaning { inner, .. } = Queue::LAYOUT.kind() else {
        panic!("it has a meaning");
    };
    let base = shm.as_ptr().expose_provenance();
    let overwrite = |random: &mut RandomDelays| {
        for field in inner
            .fields()
            .iter()
            .filter(|field| field.name() != "slots")
        {
            let at = std::ptr::with_exposed_provenance_mut::<u8>(base + field.offset());
            // Small numbers too, such as the ids of living processes.
            let value = random.next_number() >> (random.next_number() % 64);
            if field.layout().size() == 4 {
                // SAFETY: a word of a live, writable mapping, aligned, and only accessed atomically.
                unsafe { AtomicU32::from_ptr(at.cast()) }.store(value as u32, Relaxed);
            } else {
                // SAFETY: as above.
                unsafe { AtomicU64::from_ptr(at.cast()) }.store(value, Relaxed);
            }
        }
        std::hint::spin_loop();
    };
    next_to(overwrite, || {
        let (mut had, mut received) = (0_u64, 0_u64);
        let (mut one, mut two) = (shm.receiver(), reader.receiver());
        // Few receives find words that fit together: most find a sender that died at once.
        while had < 500 || received < 5 {
            let short = Duration::from_micros(200);
            for sender in [shm.sender(), shm.sender_timeout(short)] {
                match sender {
                    Ok(mut sender) => {
                        sender.send([had; 8]).unwrap();
                        had += 1;
                    }
                    Err(ClaimError::Taken(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            received += u64::from(one.try_recv().is_ok());
            received += u64::from(two.try_recv().is_ok());
            received += u64::from(one.recv_timeout(short).is_ok());
            received += u64::from(two.recv_timeout(short).is_ok());
            let mut out = [0; 8];
            received += u64::from(one.recv_into_timeout(&mut out, short).is_ok());
            received += u64::from(two.recv_into_timeout(&mut out, short).is_ok());
            let mut all = [[0; 8]; 7];
            received += u64::from(one.recv_slice_timeout(&mut all, short).is_ok());
            received += u64::from(two.try_recv_slice(&mut all).is_ok());
            let _ = (one.behind(), two.behind(), reader.sent());
            let come = (
                one.wait_for_sender_timeout(short),
                two.wait_for_sender_timeout(short),
            );
            received += u64::from(come.0.is_ok() && one.recv_timeout(short).is_ok());
            (one, two) = (shm.receiver_from_oldest(), reader.receiver_from_oldest());
            received += u64::from(one.try_recv().is_ok());
        }
    });
}

#[test]
fn large_broadcast_messages_need_no_stack() {
    type Frame = [u64; 1 << 18];
    let work = || {
        let shm: Shm<Broadcast<Frame, 3>> = Broadcast::create_anonymous().unwrap();
        let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
        let mut frame: Box<Frame> = vec![0; 1 << 18].into_boxed_slice().try_into().unwrap();
        frame[7] = 8;
        sender.send_from(&frame).unwrap();
        frame[7] = 9;
        receiver
            .recv_into_timeout(&mut frame, Duration::ZERO)
            .unwrap();
        assert_eq!(frame[6..9], [0, 8, 0]);
        sender.send_with(|slot| slot.fill(5)).unwrap();
        let frame = receiver.recv_boxed().unwrap();
        assert!(frame.iter().all(|word| *word == 5));
        sender.send_with(|slot| slot[9].set(6)).unwrap();
        assert_eq!(receiver.recv_with(|slot| slot[9].get()).unwrap(), 6);
    };
    let small = std::thread::Builder::new().stack_size(80 << 10);
    small.spawn(work).unwrap().join().unwrap();
}
