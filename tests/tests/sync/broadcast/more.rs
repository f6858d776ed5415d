//! Messages in place, messages of all shapes, and waiting for the next sender.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;
use shm_core::sync::broadcast::{RecvError, RecvTimeoutError, TryRecvError};
use shm_tests::{Block, DEADLINE, Names};

use super::{Order, Queue, attached, drain, reading, receive_blocks, send};

#[test]
fn send_with_publishes_only_the_complete_message() {
    let shm = Broadcast::<[u64; 2], 3>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    for number in 0..8_u64 {
        let result = sender.send_with(|slot| {
            // The slot holds the message of three before.
            assert_eq!(slot.load(), [number.saturating_sub(3); 2]);
            slot[0].set(number);
            assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
            slot[1].set(number);
            number + 1
        });
        assert_eq!(result.unwrap(), sender.position());
        assert_eq!(receiver.recv().unwrap(), [number; 2]);
    }
}

#[test]
fn a_panic_in_send_with_sends_nothing() {
    let shm = Broadcast::<u64, 2>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    let mut behind = receiver.clone();
    send(&mut sender, 0..2);
    assert_eq!(drain(&mut receiver), [0, 1]);
    let write = || {
        let _ = sender.send_with(|slot| -> () {
            slot.set(99);
            resume_unwind(Box::new("on purpose"));
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(write)).is_err());
    assert_eq!((shm.sent(), sender.position()), (2, 2));
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    // The message in that slot is lost, and reported; the next one uses the same slot.
    assert!(matches!(behind.recv(), Err(RecvError::Lagged(1))));
    assert_eq!(behind.recv().unwrap(), 1);
    send(&mut sender, 2..3);
    assert_eq!(
        (drain(&mut receiver), drain(&mut behind)),
        (vec![2], vec![2])
    );
    // A panic that drops the sender is an orderly departure.
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _sender = sender;
        resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert!(shm.sender().is_ok());
}

#[test]
fn a_senders_death_is_reported_until_the_next_sender() {
    let names = Names::new("broadcast-reported");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let (mut waiting, mut polling) = (shm.receiver(), shm.receiver());
    let mut last = attached(&name);
    last.ok("broadcast sender");
    for _ in 0..2 {
        last.kill();
        assert!(matches!(waiting.recv(), Err(RecvError::Disconnected)));
        let start = Instant::now();
        while !matches!(polling.try_recv(), Err(TryRecvError::Disconnected)) {
            assert!(start.elapsed() < DEADLINE);
        }
        // Also if there is no time to probe again, and if the dead sender is not the first.
        for receiver in [&mut waiting, &mut polling] {
            for _ in 0..100 {
                let reported = receiver.try_recv();
                assert!(
                    matches!(reported, Err(TryRecvError::Disconnected)),
                    "{reported:?}"
                );
            }
            let mut copy = receiver.clone();
            assert!(matches!(copy.try_recv(), Err(TryRecvError::Disconnected)));
            let reported = copy.recv_timeout(DEADLINE);
            assert!(matches!(reported, Err(RecvTimeoutError::Disconnected)));
        }
        // A cached death is not attributed to the next sender.
        let mut next = attached(&name);
        next.ok("broadcast sender");
        for receiver in [&mut waiting, &mut polling] {
            receiver.wait_for_sender_timeout(DEADLINE).unwrap();
            assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
        }
        last = next;
    }
}

#[test]
fn large_messages_are_never_torn_by_overwriting() {
    const MESSAGES: u64 = 20_000;
    // 4 KiB, which is copied in bulk.
    let shm = Broadcast::<Block, 3>::create_anonymous().unwrap();
    let mut sender = shm.sender().unwrap();
    shm_tests::scope(|scope| {
        for _ in 0..3 {
            let receiver = shm.receiver();
            scope.start(move || {
                receive_blocks(receiver, MESSAGES, |receiver, number| {
                    receiver.recv().map(|block| block.is_numbered(number))
                });
            });
        }
        scope.start(move || {
            for number in 0..MESSAGES {
                let block = Block::numbered(number);
                if number % 2 == 0 {
                    sender.send_from(&block).unwrap();
                } else {
                    sender.send_with(|slot| slot.store_from(&block)).unwrap();
                }
            }
        });
    });
}

#[test]
fn a_cloned_receiver_continues_at_the_same_message() {
    let shm = Broadcast::<u64, 8>::create_anonymous().unwrap();
    let (mut sender, mut one) = (shm.sender().unwrap(), shm.receiver());
    send(&mut sender, 0..3);
    assert_eq!(one.recv().unwrap(), 0);
    let mut two = one.clone();
    assert_eq!(drain(&mut one), [1, 2]);
    assert_eq!((one.position(), two.position()), (3, 1));
    assert_eq!((two.behind(), drain(&mut two)), (2, vec![1, 2]));
}

#[test]
fn empty_and_odd_sized_messages_are_broadcast() {
    let names = Names::new("broadcast-shapes");
    let name = names.name("t");
    let shm = Broadcast::<[u64; 0], 3>::create(&name).unwrap();
    let reader = Broadcast::<[u64; 0], 3>::attach_read_only(&name).unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), reader.receiver());
    for _ in 0..4 {
        sender.send([]).unwrap();
    }
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(1))));
    for _ in 0..3 {
        receiver.try_recv().unwrap();
    }
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    let shm = Broadcast::<[u8; 3], 7>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    for number in 0..7 {
        sender.send([number; 3]).unwrap();
    }
    for number in 0..7 {
        assert_eq!(receiver.recv_boxed().unwrap(), Box::new([number; 3]));
    }
    let shm = Broadcast::<Order, 2>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    sender.send_with(|slot| slot.set(Order::Sell)).unwrap();
    assert_eq!(*receiver.recv_boxed().unwrap(), Order::Sell);
    // The second slot still holds an invalid message.
    sender.send_with(|_| {}).unwrap();
    assert!(matches!(receiver.recv_boxed(), Err(RecvError::Invalid(error)) if error.found() == 0));
}

#[test]
fn wait_for_sender_returns_when_one_joins() {
    let names = Names::new("broadcast-await");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let mut peers = [attached(&name), reading(&name)];
    let receiver = shm.receiver();
    let start = Instant::now();
    let millis = Duration::from_millis(30);
    assert!(receiver.wait_for_sender_timeout(millis).is_err());
    assert!(start.elapsed() >= millis);
    for number in 0..5 {
        for peer in &mut peers {
            peer.ok("claims timer");
            assert_eq!(peer.ok("broadcast await 5"), "timed-out");
            peer.tell("broadcast await forever");
        }
        let mut sender = shm.sender().unwrap();
        for peer in &mut peers {
            assert_eq!(peer.hear(), "ok there");
            assert_eq!(peer.ok("broadcast await 0"), "there");
        }
        // A remaining message counts like a sender.
        sender.send([number; 8]).unwrap();
        drop(sender);
        for peer in &mut peers {
            assert_eq!(peer.ok("broadcast await 0"), "there");
            assert_eq!(peer.ok("broadcast try"), format!("{number} whole"));
            assert_eq!(peer.ok("broadcast try"), "disconnected");
        }
    }
}

#[test]
fn wait_for_sender_ignores_dead_senders() {
    let names = Names::new("broadcast-await-dead");
    let name = names.name("t");
    let _shm = Queue::create(&name).unwrap();
    let (mut waiting, mut reader) = (attached(&name), reading(&name));
    for _ in 0..3 {
        let (mut dead, mut next) = (attached(&name), attached(&name));
        dead.ok("broadcast sender 100000");
        dead.kill();
        assert_eq!(waiting.ok("broadcast recv 100000"), "disconnected");
        assert_eq!(waiting.ok("broadcast await 60"), "timed-out");
        assert_eq!(reader.ok("broadcast await 60"), "timed-out");
        waiting.tell("broadcast await forever");
        reader.tell("broadcast await forever");
        next.ok("broadcast sender");
        assert_eq!(waiting.hear(), "ok there");
        assert_eq!(reader.hear(), "ok there");
        next.kill();
    }
}

#[test]
fn exec_gives_up_the_sender() {
    let names = Names::new("broadcast-exec");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let mut receiver = shm.receiver();
    let mut sender = attached(&name);
    sender.ok("broadcast sender");
    sender.ok("broadcast send 7");
    sender.tell("claims exec");
    assert_eq!(sender.hear(), "executing");
    assert_eq!(sender.ask("are you there"), "are you there");
    assert_eq!(receiver.recv().unwrap(), [7; 8]);
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert_eq!(shm.sender_timeout(DEADLINE).unwrap().position(), 1);
    sender.end();
}
