//! Rings of odd shapes: one slot, zero-sized slots, messages that are not `Copy`, more slots than memory, slots aligned to
//! pages.

use std::time::{Duration, Instant};

use shm_core::sync::{
    RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use shm_core::{ShmLayout, ShmVec};

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn a_ring_of_one_slot_works() {
    let shm = Ring::<[u8; 3], 1>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    for round in 0..10_u8 {
        sender.send([round; 3]).unwrap();
        let full = sender.try_send_slice(&[[99; 3]; 2]);
        assert_eq!(full, Err(TrySendError::Full(&[[99; 3]; 2][..])));
        let mut room = [[0; 3]; 4];
        assert_eq!(receiver.recv_slice(&mut room), Ok(1));
        assert_eq!(room[0], [round; 3]);
    }
}

#[test]
fn messages_that_are_not_copy_pass_in_place() {
    let shm = Ring::<ShmVec<u64, 4>, 2>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    for round in 0..5 {
        // The slot holds the list of an earlier round.
        let sent = sender.send_with(|list| {
            list.clear();
            (0..=round % 4).try_for_each(|number| list.push(round * 10 + number))
        });
        sent.unwrap().unwrap();
        let sum = receiver.recv_with(|list, _| list.iter().map(|cell| cell.get()).sum::<u64>());
        let expected = (0..=round % 4).map(|number| round * 10 + number).sum();
        assert_eq!(sum, Ok(expected));
    }
}

#[test]
fn zero_sized_messages_are_counted() {
    let shm = Ring::<[u64; 0], 3>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    let messages = [[]; 5];
    assert_eq!(
        sender.try_send_slice(&messages),
        Err(TrySendError::Full(&messages[3..]))
    );
    assert_eq!(receiver.recv(), Ok([]));
    let mut room = [[]; 5];
    assert_eq!(receiver.try_recv_slice(&mut room), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn zero_sized_slots_can_be_as_many_as_numbers() {
    let shm = Ring::<[u8; 0], { usize::MAX }>::create_anonymous().unwrap();
    assert_eq!(shm.capacity(), usize::MAX);
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    sender.send_slice(&[[]; 1000]).unwrap();
    assert_eq!((shm.len(), receiver.try_iter().count()), (1000, 1000));
    assert!(format!("{:?}", *shm).contains("sent: 1000"));
}

#[test]
fn a_ring_larger_than_all_memory_is_refused() {
    let refused = Ring::<[u64; 1 << 20], { 1 << 30 }>::create_anonymous();
    let error = refused.err().unwrap().to_string();
    assert!(error.len() > 30, "{error}");
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C, align(4096))]
struct Page {
    bytes: [u64; 512],
}

#[test]
fn slots_can_be_aligned_to_pages() {
    let shm = Ring::<Page, 3>::create_anonymous().unwrap();
    let page = |number| Page {
        bytes: [number; 512],
    };
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    for number in 0..7 {
        sender
            .send_with(|cell| {
                assert!(std::ptr::from_ref(cell).cast::<Page>().is_aligned());
                cell.store(page(number));
            })
            .unwrap();
        assert_eq!(receiver.recv(), Ok(page(number)));
    }
}

#[test]
fn a_slice_timeout_covers_all_and_keeps_what_was_sent() {
    let shm = Ring::<u64, 4>::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    let start = Instant::now();
    let timeout = sender.send_slice_timeout(&[0, 1, 2, 3, 4, 5], SHORT);
    assert_eq!(timeout, Err(SendTimeoutError::Timeout(&[4, 5][..])));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(sender.send_slice_timeout(&[], SHORT), Ok(()));
    assert_eq!(
        sender.send_with_timeout(SHORT, |_| panic!("called")),
        Err::<(), _>(SendTimeoutError::Timeout(()))
    );
    let mut room = [9; 3];
    assert_eq!(receiver.recv_slice_timeout(&mut [], SHORT), Ok(0));
    assert_eq!(receiver.recv_slice_timeout(&mut room, SHORT), Ok(3));
    assert_eq!(room, [0, 1, 2]);
    sender.send_with_timeout(SHORT, |cell| cell.set(8)).unwrap();
    assert_eq!(receiver.recv_slice_timeout(&mut room, SHORT), Ok(2));
    assert_eq!(room[..2], [3, 8]);
    let nothing = receiver.recv_slice_timeout(&mut room, SHORT);
    assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
    // However long it takes in all: the receiver makes room one by one.
    shm_tests::scope(|scope| {
        scope.start(|| assert_eq!(receiver.iter().take(9).sum::<u64>(), 36));
        let all: Vec<u64> = (0..9).collect();
        sender.send_slice_timeout(&all, Duration::MAX).unwrap();
    });
    drop(receiver);
    assert_eq!(
        sender.send_slice_timeout(&[0; 5], Duration::MAX),
        Err(SendTimeoutError::Disconnected(&[0][..]))
    );
    assert_eq!(
        sender.send_with_timeout(Duration::MAX, |_| panic!("called")),
        Err::<(), _>(SendTimeoutError::Disconnected(()))
    );
}

#[test]
fn send_errors_return_the_message() {
    assert_eq!(SendError(1).into_inner(), 1);
    assert_eq!(TrySendError::Full(2).into_inner(), 2);
    assert_eq!(TrySendError::Disconnected(3).into_inner(), 3);
    assert_eq!(SendTimeoutError::Timeout(4).into_inner(), 4);
    assert_eq!(SendTimeoutError::Disconnected(5).into_inner(), 5);
}

#[test]
fn ring_errors_convert_as_in_std_mpsc() {
    assert_eq!(
        TrySendError::from(SendError(1)),
        TrySendError::Disconnected(1)
    );
    assert_eq!(
        SendTimeoutError::from(SendError(1)),
        SendTimeoutError::Disconnected(1)
    );
    assert_eq!(TryRecvError::from(RecvError), TryRecvError::Disconnected);
    assert_eq!(
        RecvTimeoutError::from(RecvError),
        RecvTimeoutError::Disconnected
    );
}
