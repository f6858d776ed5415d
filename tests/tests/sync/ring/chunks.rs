//! Messages that are looked at, written or read in their slots, several at once, and committed in part.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use shm_core::sync::ring::ReadChunk;
use shm_core::sync::{
    RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use shm_core::{ReadOnly, ShmCell, ShmLayout, ShmVec};
use shm_tests::{Message, Names, Peer, RingSegment, peer};

const SHORT: Duration = Duration::from_millis(20);

fn attached(name: &str) -> Peer {
    peer!("ring attach {name}")
}

/// The iterator borrows the chunk alone. This compiles only if its type names neither the borrow of the end nor that of the ring.
fn cells<'c, const N: usize>(
    chunk: &'c ReadChunk<'_, '_, u64, N>,
) -> impl DoubleEndedIterator<Item = &'c ShmCell<u64, ReadOnly>> + use<'c, N> {
    chunk.iter()
}

#[test]
fn chunks_wrap_around_and_commit_in_part() {
    let shm = Ring::<u64, 5>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    let (mut next, mut expected) = (0, 0);
    for round in 0..100_usize {
        let (asked, committed) = (1 + round % 7, round % 4);
        let room = 5 - shm.len();
        let chunk = sender.try_write_chunk(asked);
        if let Ok(chunk) = chunk {
            assert_eq!(chunk.len(), asked.min(room));
            let (first, second) = chunk.as_slices();
            assert_eq!(first.len(), chunk.len().min(5 - next as usize % 5));
            assert_eq!(first.len() + second.len(), chunk.len());
            // All slots are written. What is not committed is not sent.
            let numbers: Vec<u64> = (next..).take(chunk.len()).collect();
            first.write_from(&numbers[..first.len()]);
            second.write_from(&numbers[first.len()..]);
            let committed = committed.min(chunk.len());
            chunk.commit(committed).unwrap();
            next += committed as u64;
        } else {
            assert_eq!((chunk.unwrap_err(), room), (TrySendError::Full(()), 0));
        }
        assert_eq!((sender.position(), shm.sent()), (next, next));

        let there = shm.len();
        match receiver.try_read_chunk(1 + round % 3) {
            Ok(chunk) => {
                assert_eq!(chunk.len(), there.min(1 + round % 3));
                let numbers: Vec<u64> = chunk.iter().map(|cell| cell.get()).collect();
                assert_eq!(numbers, (expected..).take(chunk.len()).collect::<Vec<_>>());
                let backwards: Vec<u64> = cells(&chunk).rev().map(|cell| cell.get()).collect();
                assert!(backwards.iter().eq(numbers.iter().rev()));
                let (first, second) = chunk.as_slices();
                assert_eq!([first.to_vec(), second.to_vec()].concat(), numbers);
                let committed = (round % 2).min(chunk.len());
                chunk.commit(committed).unwrap();
                expected += committed as u64;
            }
            Err(error) => assert_eq!((error, there), (TryRecvError::Empty, 0)),
        }
        assert_eq!((receiver.position(), shm.received()), (expected, expected));
    }
    assert!(expected > 40, "{expected}");
}

#[test]
fn a_dropped_chunk_commits_nothing() {
    let shm = Ring::<u64, 4>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    let chunk = sender.write_chunk(3).unwrap();
    chunk.iter().for_each(|slot| slot.set(77));
    drop(chunk);
    let chunk = sender.write_chunk(9).unwrap();
    assert_eq!((chunk.len(), shm.sent()), (4, 0));
    chunk
        .iter()
        .zip(1..)
        .for_each(|(slot, number)| slot.set(number));
    drop(chunk);
    assert!(receiver.try_read_chunk(1).is_err());
    sender.write_chunk(4).unwrap().commit_all().unwrap();

    drop(receiver.read_chunk(2).unwrap());
    receiver.read_chunk(4).unwrap().commit(0).unwrap();
    assert_eq!((shm.received(), shm.len()), (0, 4));
    let all = receiver.read_chunk(4).unwrap();
    assert_eq!(all.as_slices().0.to_vec(), [1, 2, 3, 4]);
    all.commit_all().unwrap();
    assert!(shm.is_empty());
}

#[test]
fn committing_more_than_the_chunk_panics() {
    let shm = Ring::<u64, 4>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    sender.send_slice(&[1, 2]).unwrap();
    let more = catch_unwind(AssertUnwindSafe(|| {
        sender.write_chunk(9).unwrap().commit(3)
    }));
    let text = *more.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(text, "cannot commit 3 slots of a chunk of 2");
    let more = catch_unwind(AssertUnwindSafe(|| {
        receiver.read_chunk(1).unwrap().commit(2)
    }));
    let text = *more.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(text, "cannot commit 2 slots of a chunk of 1");
    assert_eq!((shm.sent(), shm.received()), (2, 0));
}

#[test]
fn chunks_wait_and_report_as_other_calls_do() {
    let shm = Ring::<u64, 2>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    // A request for nothing never waits.
    assert!(receiver.read_chunk(0).unwrap().is_empty());
    let start = Instant::now();
    let nothing = receiver.read_chunk_timeout(1, SHORT).err();
    assert_eq!(nothing, Some(RecvTimeoutError::Timeout));
    assert!(start.elapsed() >= SHORT);
    sender.send_slice(&[1, 2]).unwrap();
    assert!(sender.write_chunk(0).unwrap().is_empty());
    let full = sender.write_chunk_timeout(1, SHORT).err();
    assert_eq!(full, Some(SendTimeoutError::Timeout(())));
    // Each wakes the other.
    shm_tests::scope(|scope| {
        scope.start(|| {
            for number in 3..100 {
                let chunk = sender.write_chunk(1).unwrap();
                chunk.iter().for_each(|slot| slot.set(number));
                chunk.commit_all().unwrap();
            }
        });
        let mut sum = 0;
        while sum < (1..100).sum() {
            let chunk = receiver.read_chunk(2).unwrap();
            sum += chunk.iter().map(|cell| cell.get()).sum::<u64>();
            chunk.commit_all().unwrap();
        }
    });
    sender.send_slice(&[1, 2]).unwrap();
    drop(receiver);
    let gone = sender.write_chunk(1).err();
    assert_eq!(gone, Some(SendError(())));
    let gone = sender.try_write_chunk(1).err();
    assert_eq!(gone, Some(TrySendError::Disconnected(())));
    let gone = sender.write_chunk_timeout(1, Duration::MAX).err();
    assert_eq!(gone, Some(SendTimeoutError::Disconnected(())));
    drop(sender);
    let mut receiver = shm.receiver().unwrap();
    receiver.read_chunk(2).unwrap().commit_all().unwrap();
    assert_eq!(receiver.read_chunk(1).err(), Some(RecvError));
    let gone = receiver.read_chunk_timeout(1, Duration::MAX).err();
    assert_eq!(gone, Some(RecvTimeoutError::Disconnected));
}

#[test]
fn chunks_hold_messages_that_are_not_copy() {
    let shm = Ring::<ShmVec<u64, 4>, 3>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    for round in 0..5 {
        let chunk = sender.write_chunk(2).unwrap();
        for (list, number) in chunk.iter().zip(round..) {
            list.clear();
            list.push(number).unwrap();
        }
        chunk.commit_all().unwrap();
        assert_eq!(receiver.peek().unwrap().len(), 1);
        let chunk = receiver.read_chunk(3).unwrap();
        let numbers: Vec<u64> = chunk.iter().flat_map(|list| list.to_vec()).collect();
        assert_eq!(numbers, [round, round + 1]);
        chunk.commit_all().unwrap();
    }
}

#[test]
fn peeking_takes_nothing() {
    let shm = Ring::<u64, 2>::create_anonymous().unwrap();
    let mut receiver = shm.receiver().unwrap();
    assert_eq!(receiver.peek().err(), Some(TryRecvError::Empty));
    let mut sender = shm.sender().unwrap();
    for number in 0..5 {
        sender.send(number).unwrap();
        sender.send(number + 10).unwrap();
        for _ in 0..2 {
            assert_eq!(receiver.peek().unwrap().get(), number);
        }
        assert_eq!(shm.len(), 2);
        // It is no delivery.
        assert_eq!(receiver.recv_with(|_, deliveries| deliveries), Ok(1));
        assert_eq!(receiver.peek().unwrap().get(), number + 10);
        assert_eq!(receiver.recv(), Ok(number + 10));
    }
    drop(sender);
    assert_eq!(receiver.peek().err(), Some(TryRecvError::Disconnected));
}

#[test]
fn a_kill_in_a_chunk_commits_nothing() {
    let names = Names::new("ring-chunk-dead");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut receiver = shm.ring.receiver().unwrap();
    let mut sender = attached(&name);
    sender.ok("ring sender");
    assert_eq!(sender.ok("ring send try"), "0");
    assert_eq!(sender.ask("ring half-chunk-out"), "written 4");
    sender.kill();
    let rest: Vec<Message> = receiver.iter().collect();
    assert_eq!(rest, [Message::numbered(0)]);
    drop(receiver);
    let mut sender = shm.ring.sender().unwrap();
    let notes: Vec<Message> = (1..6).map(Message::numbered).collect();
    sender.send_slice(&notes).unwrap();
    let mut reader = attached(&name);
    reader.ok("ring receiver");
    assert_eq!(reader.ask("ring half-chunk-in"), "read 5");
    reader.kill();
    assert_eq!(
        sender.try_send(notes[0]),
        Err(TrySendError::Disconnected(notes[0]))
    );
    let mut receiver = shm.ring.receiver().unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), notes);
}

#[test]
fn a_fork_inside_a_chunk_leaves_it_to_the_parent() {
    let names = Names::new("ring-chunk-fork");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    assert_eq!(attached(&name).ok("ring fork-in-chunk"), "3 2");
}
