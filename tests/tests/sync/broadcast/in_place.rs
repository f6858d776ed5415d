//! Messages that receivers read in their slots.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;
use shm_core::sync::broadcast::{RecvError, RecvTimeoutError, TryRecvError};
use shm_tests::{Block, DEADLINE, Names, poke};

use super::{Order, drain, receive_blocks, send};

#[test]
fn recv_with_reads_each_message_in_its_slot() {
    let names = Names::new("broadcast-in-place");
    let name = names.name("t");
    let shm = Broadcast::<[u64; 2], 3>::create(&name).unwrap();
    let read_only = Broadcast::<[u64; 2], 3>::attach_read_only(&name).unwrap();
    let (mut sender, mut receiver, no_time) =
        (shm.sender().unwrap(), read_only.receiver(), Duration::ZERO);
    let none = receiver.try_recv_with(|_| panic!("there is no message"));
    assert!(matches!(none, Err::<(), _>(TryRecvError::Empty)));
    let none = receiver.recv_with_timeout(no_time, |_| panic!("there is no message"));
    assert!(matches!(none, Err::<(), _>(RecvTimeoutError::Timeout)));
    let none = receiver.recv_with_deadline(Instant::now(), |_| panic!("there is no message"));
    assert!(matches!(none, Err::<(), _>(RecvTimeoutError::Timeout)));

    let mut places = Vec::new();
    for number in 0..8 {
        sender.send([number, number + 1]).unwrap();
        let what = match number % 4 {
            0 => receiver
                .recv_with(|two| (two.as_ptr().addr(), two.load()))
                .unwrap(),
            1 => receiver
                .try_recv_with(|two| (two.as_ptr().addr(), two.load()))
                .unwrap(),
            2 => receiver
                .recv_with_timeout(no_time, |two| (two.as_ptr().addr(), two.load()))
                .unwrap(),
            _ => receiver
                .recv_with_deadline(Instant::now(), |two| (two.as_ptr().addr(), two.load()))
                .unwrap(),
        };
        assert_eq!(
            (what.1, receiver.position()),
            ([number, number + 1], number + 1)
        );
        places.push(what.0);
    }
    // Three slots in turn, in the mapping of this receiver.
    let slots = std::ptr::from_ref(&*read_only).addr();
    let end = slots + size_of_val(&*read_only);
    assert!(places.iter().all(|place| (slots..end).contains(place)));
    assert_eq!(
        (places[3], places[4], places[1] - places[0]),
        (places[0], places[1], 16)
    );

    sender.send([9, 9]).unwrap();
    drop(sender);
    assert_eq!(receiver.recv_with(|two| two[0].get()).unwrap(), 9);
    let gone = receiver.recv_with(|_| panic!("there is no message"));
    assert!(matches!(gone, Err::<(), _>(RecvError::Disconnected)));
}

#[test]
fn a_result_is_dropped_if_the_slot_was_overwritten() {
    struct Counted<'a>(&'a Cell<u32>);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let shm = Broadcast::<u64, 4>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    let dropped = Cell::new(0);
    send(&mut sender, 0..1);
    // Three more messages do not reach the slot.
    let look = receiver.recv_with(|slot| {
        send(&mut sender, 1..4);
        (slot.get(), Counted(&dropped))
    });
    let (number, counted) = look.unwrap();
    assert_eq!((number, dropped.get()), (0, 0));
    drop(counted);
    assert_eq!(dropped.take(), 1);
    // The fourth does, and whatever `look` saw does not count.
    let look = receiver.recv_with(|slot| {
        let before = slot.get();
        send(&mut sender, 4..6);
        assert_eq!((before, slot.get()), (1, 5));
        Counted(&dropped)
    });
    assert!(matches!(look, Err(RecvError::Lagged(1))));
    assert_eq!((dropped.take(), receiver.position()), (1, 2));
    assert_eq!(drain(&mut receiver), [2, 3, 4, 5]);

    // A loss that is known before is reported without a look.
    send(&mut sender, 6..12);
    let look = receiver.try_recv_with(|_| panic!("the message is gone"));
    assert!(matches!(look, Err::<(), _>(TryRecvError::Lagged(2))));
    let look = receiver.recv_with_timeout(DEADLINE, |_| send(&mut sender, 12..99));
    assert!(matches!(look, Err(RecvTimeoutError::Lagged(87))));
    assert_eq!(drain(&mut receiver), [95, 96, 97, 98]);
}

/// A sender that has begun with a message has not sent it, but the slot may have changed.
#[test]
fn an_unfinished_message_overwrites_a_slot_too() {
    let shm = Broadcast::<u64, 2>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    send(&mut sender, 0..2);
    let look = receiver.recv_with(|slot| {
        let write = || {
            let _ = sender.send_with(|slot| -> () {
                slot.set(99);
                resume_unwind(Box::new("on purpose"));
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(write)).is_err());
        slot.get()
    });
    assert!(matches!(look, Err(RecvError::Lagged(1))));
    assert_eq!(drain(&mut receiver), [1]);
}

#[test]
fn a_panic_counts_only_over_a_whole_message() {
    let shm = Broadcast::<u64, 2>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    send(&mut sender, 0..2);
    for _ in 0..2 {
        let look = || receiver.recv_with(|_| resume_unwind(Box::new("whole")));
        let panicked: Result<Result<(), _>, _> = catch_unwind(AssertUnwindSafe(look));
        assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "whole");
        // The message is still to be received.
        assert_eq!(receiver.position(), 0);
    }
    let look = receiver.recv_with(|_| {
        send(&mut sender, 2..3);
        resume_unwind(Box::new("not whole"))
    });
    assert!(matches!(look, Err::<(), _>(RecvError::Lagged(1))));
    assert_eq!(drain(&mut receiver), [1, 2]);
}

#[test]
fn enums_in_place_are_checked_by_try_get() {
    let shm = Broadcast::<Order, 2>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
    sender.send(Order::Sell).unwrap();
    sender.send(Order::Buy).unwrap();
    let order = receiver.recv_with(|order| order.try_get()).unwrap();
    assert_eq!(order.unwrap(), Order::Sell);
    let mut again = receiver.clone();
    // A peer writes bytes that are no value.
    let place = receiver.recv_with(|order| order.as_ptr()).unwrap();
    let first = std::ptr::from_ref(&*shm).addr();
    poke(shm.cell(), place.addr() - first, 9);
    let found = again.recv_with(|order| order.try_get()).unwrap();
    assert!(found.is_err());
}

#[test]
fn no_look_at_an_overwritten_message_counts() {
    const MESSAGES: u64 = 20_000;
    let shm = Broadcast::<Block, 3>::create_anonymous().unwrap();
    let mut sender = shm.sender().unwrap();
    shm_tests::scope(|scope| {
        for _ in 0..2 {
            let receiver = shm.receiver();
            scope.start(move || {
                receive_blocks(receiver, MESSAGES, |receiver, number| {
                    let block = receiver.recv_with(|block| block.load_boxed())?;
                    Ok(block.is_numbered(number))
                });
            });
        }
        scope.start(move || {
            for number in 0..MESSAGES {
                sender.send_from(&Block::numbered(number)).unwrap();
            }
        });
    });
}
