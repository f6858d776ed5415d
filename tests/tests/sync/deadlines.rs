//! A deadline that has passed acts as a timeout of zero: a call takes what is there, notices the dead, and does not wait. How
//! long calls wait for one that has not passed, `every_timeout_is_kept_under_constant_signals` shows.

use std::os::fd::AsFd;
use std::time::Instant;

use shm_core::ShmLayout;
use shm_core::sync::broadcast::RecvTimeoutError;
use shm_core::sync::{BarrierError, ClaimError, LockError, TimedOut, WriteError};
use shm_tests::{BlockedSegment, Names};

#[test]
fn after_the_deadline_a_call_still_takes_what_is_there() {
    let shm = BlockedSegment::create_anonymous().unwrap();
    let past = Instant::now();

    drop(shm.lock.lock_deadline(past).unwrap());
    let guard = shm.value.write_deadline(past).unwrap();
    let version = guard.commit().unwrap();
    assert_eq!(
        shm.value.wait_newer_deadline(version - 1, past),
        Ok(version)
    );
    shm.permits.post().unwrap();
    assert_eq!(shm.permits.wait_deadline(past), Ok(()));
    shm.event.notify_one();
    assert_eq!(shm.event.wait_deadline(0, past), Ok(1));
    assert_eq!(shm.event.wait_until_deadline(past, || Some(7)), Ok(7));

    let mut sender = shm.full.sender_deadline(past).unwrap();
    let mut receiver = shm.full.receiver_deadline(past).unwrap();
    assert_eq!(sender.wait_for_receiver_deadline(past), Ok(()));
    assert_eq!(receiver.wait_for_sender_deadline(past), Ok(()));
    assert_eq!(sender.send_deadline(1, past), Ok(()));
    assert_eq!(sender.send_with_deadline(past, |slot| slot.set(2)), Ok(()));
    assert_eq!(receiver.recv_deadline(past), Ok(1));
    assert_eq!(
        receiver.recv_with_deadline(past, |slot, _| slot.get()),
        Ok(2)
    );
    assert_eq!(sender.send_slice_deadline(&[3, 4, 5], past), Ok(()));
    let chunk = sender.write_chunk_deadline(2, past).unwrap();
    assert_eq!((chunk.len(), chunk.commit(0)), (1, Ok(())));
    let mut one = 0;
    assert_eq!(receiver.recv_into_deadline(&mut one, past), Ok(()));
    let chunk = receiver.read_chunk_deadline(1, past).unwrap();
    assert_eq!((one, chunk.commit_all()), (3, Ok(())));
    let mut batch = [0; 3];
    assert_eq!(receiver.recv_slice_deadline(&mut batch, past), Ok(1));
    assert_eq!(batch, [5, 0, 0]);

    let mut receiver = shm.cast.receiver();
    let mut sender = shm.cast.sender_deadline(past).unwrap();
    assert_eq!(receiver.wait_for_sender_deadline(past), Ok(()));
    for message in 0..4 {
        sender.send(message).unwrap();
    }
    let mut batch = [0; 3];
    assert!(matches!(receiver.recv_deadline(past), Ok(0)));
    assert!(receiver.recv_into_deadline(&mut batch[0], past).is_ok());
    assert!(matches!(
        receiver.recv_slice_deadline(&mut batch, past),
        Ok(2)
    ));
    assert_eq!(batch, [2, 3, 0]);

    let mut seats = [0; 2].map(|_| shm.meet[0].join_deadline(past).unwrap());
    for (seat, last) in seats.iter_mut().zip([false, true]) {
        assert_eq!(seat.wait_deadline(past).is_ok(), last);
    }
}

#[test]
fn after_the_deadline_a_call_does_not_wait() {
    let shm = BlockedSegment::create_anonymous().unwrap();
    let past = Instant::now();

    // Another participant: a thread that waits for itself gets another error.
    let fd = shm.as_fd().try_clone_to_owned().unwrap();
    let owner = BlockedSegment::from_fd(fd).unwrap();
    let _lock = owner.lock.lock().unwrap();
    let locked = shm.lock.lock_deadline(past);
    assert!(matches!(locked, Err(LockError::TimedOut(_))));
    let _writer = owner.value.write().unwrap();
    let written = shm.value.write_deadline(past);
    assert!(matches!(written, Err(WriteError::TimedOut(_))));
    let version = shm.value.version();
    assert_eq!(shm.value.wait_newer_deadline(version, past), Err(TimedOut));
    assert_eq!(shm.permits.wait_deadline(past), Err(TimedOut));
    assert_eq!(shm.event.wait_deadline(0, past), Err(TimedOut));
    let nothing = shm.event.wait_until_deadline(past, || None::<u8>);
    assert_eq!(nothing, Err(TimedOut));

    let mut sender = shm.full.sender().unwrap();
    let mut receiver = shm.empty.receiver().unwrap();
    assert!(shm.full.sender_deadline(past).is_err() && shm.empty.receiver_deadline(past).is_err());
    assert_eq!(sender.wait_for_receiver_deadline(past), Err(TimedOut));
    assert_eq!(receiver.wait_for_sender_deadline(past), Err(TimedOut));
    sender.send_slice(&[1; 4]).unwrap();
    let sent = [
        sender
            .send_deadline(1, past)
            .map_err(|error| error.to_string()),
        sender
            .send_slice_deadline(&[1], past)
            .map_err(|error| error.to_string()),
        sender
            .send_with_deadline(past, |_| ())
            .map_err(|error| error.to_string()),
        sender
            .write_chunk_deadline(1, past)
            .map(drop)
            .map_err(|error| error.to_string()),
    ];
    for error in sent.map(Result::unwrap_err) {
        assert!(error.contains("the whole timeout"), "{error}");
    }
    let received = [
        receiver.recv_deadline(past).map(drop),
        receiver.recv_into_deadline(&mut 0, past),
        receiver.recv_slice_deadline(&mut [0; 2], past).map(drop),
        receiver.recv_with_deadline(past, |_, _| ()),
        receiver.read_chunk_deadline(1, past).map(drop),
    ];
    assert_eq!(
        received,
        [Err(shm_core::sync::RecvTimeoutError::Timeout); 5]
    );

    let mut receiver = shm.cast.receiver();
    assert_eq!(receiver.wait_for_sender_deadline(past), Err(TimedOut));
    let _sender = shm.cast.sender().unwrap();
    let taken = shm.cast.sender_deadline(past);
    assert!(matches!(taken, Err(ClaimError::Taken(_))));
    let received = [
        receiver.recv_deadline(past).map(drop),
        receiver.recv_into_deadline(&mut 0, past),
        receiver.recv_slice_deadline(&mut [0; 2], past).map(drop),
    ];
    for found in received {
        assert!(matches!(found, Err(RecvTimeoutError::Timeout)));
    }

    let mut seats = [0; 2].map(|_| shm.meet[0].join().unwrap());
    let full = shm.meet[0].join_deadline(past);
    assert!(matches!(full, Err(BarrierError::Full)));
    let waited = seats[0].wait_deadline(past);
    assert!(matches!(waited, Err(BarrierError::TimedOut { .. })));
}

#[test]
fn after_the_deadline_a_call_still_notices_the_dead() {
    let names = Names::new("deadlines-dead");
    let name = names.name("t");
    let shm = BlockedSegment::create(&name).unwrap();
    let dying = BlockedSegment::attach(&name).unwrap();
    std::mem::forget(dying.lock.lock().unwrap());
    std::mem::forget(dying.value.write().unwrap());
    let mut sender = dying.cast.sender().unwrap();
    let mut receiver = shm.cast.receiver();
    sender.send(1).unwrap();
    std::mem::forget(sender);
    std::mem::forget(dying.empty.sender().unwrap());
    let mut ring = shm.empty.receiver().unwrap();
    drop(dying);

    let past = Instant::now();
    let locked = shm.lock.lock_deadline(past);
    assert!(matches!(locked, Err(LockError::OwnerDied(_))));
    assert!(shm.value.write_deadline(past).is_ok());
    assert!(matches!(receiver.recv_deadline(past), Ok(1)));
    let gone = Err(shm_core::sync::RecvTimeoutError::Disconnected);
    assert_eq!(ring.recv_deadline(past), gone);
    assert!(shm.empty.sender_deadline(past).is_ok());
    let gone = receiver.recv_deadline(past);
    assert!(matches!(gone, Err(RecvTimeoutError::Disconnected)));
    assert!(shm.cast.sender_deadline(past).is_ok());
}
