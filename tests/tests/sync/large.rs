//! Values of megabytes in every shared type, on a thread whose stack has room for none of them.

use std::fmt::Debug;
use std::time::Duration;

use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, Mutex, Ring, SeqLock};
use shm_tests::Large;

/// 4 MiB.
type Big = [u64; 1 << 19];

/// Runs `work` with 128 KiB of stack, less than any thread's default and far less than any value here.
fn on_small_stack(work: fn()) {
    let small = std::thread::Builder::new().stack_size(128 << 10);
    small.spawn(work).unwrap().join().unwrap();
}

/// The same number in every element.
fn all(number: u64) -> Box<Big> {
    vec![number; 1 << 19].into_boxed_slice().try_into().unwrap()
}

fn is_all(big: &Big, number: u64) -> bool {
    big.iter().all(|word| *word == number)
}

/// Printed without a copy of it; this test ignores how much of it is printed.
fn show(large: &(impl Debug + ?Sized)) -> String {
    let text = format!("{large:?}");
    assert!(text.len() > 20, "{text}");
    text
}

#[test]
fn a_mutex_of_64_mib_needs_no_stack() {
    on_small_stack(|| {
        let shm = Mutex::<Large>::create_anonymous().unwrap();
        {
            let guard = shm.lock().unwrap();
            guard.words.fill(3);
            guard.words[5].set(9);
            let copy = guard.load_boxed();
            assert_eq!((copy.words[5], copy.words[(1 << 23) - 1]), (9, 3));
            guard.words[6].set(copy.words[5] + 1);
            guard.store_from(&copy);
            assert_eq!(guard.words[6].get(), 3);
        }
        assert!(shm.try_lock().is_ok());
        assert!(show(&*shm).starts_with("Mutex"));
    });
}

#[test]
fn large_sequence_locks_need_no_stack() {
    on_small_stack(|| {
        let shm = <[SeqLock<Big, 3>; 2]>::create_anonymous().unwrap();
        let lock = &shm[1];
        {
            let mut guard = lock.write().unwrap();
            guard.fill(1);
            guard.commit().unwrap();
        }
        let read = lock.read_boxed().unwrap();
        assert!(is_all(&read, 1));
        lock.update(|value| value[8] = 9).unwrap();
        assert_eq!(lock.read_with(|value| value[8].get()).unwrap(), 9);
        lock.write_with(|slot| slot.fill(4)).unwrap();
        assert!(is_all(&lock.read_boxed().unwrap(), 4));
        assert_eq!(lock.store_from(&read).unwrap(), 4);
        let mut out = all(0);
        lock.read_into(&mut out).unwrap();
        assert!(is_all(&out, 1));
        // A discarded value is not kept on the stack either.
        let mut guard = lock.try_write().unwrap();
        guard[0] = 7;
        guard.discard();
        let guard = lock.write_timeout(Duration::ZERO).unwrap();
        assert!(show(&guard).contains('1'));
        drop(guard);
        assert!(show(lock).contains("version: 5"));
        assert_eq!(shm[0].version(), 0);
        assert!(shm[0].read_boxed().unwrap().iter().all(|word| *word == 0));
        show(&*shm);
    });
}

#[test]
fn large_ring_messages_need_no_stack() {
    on_small_stack(|| {
        let shm = Ring::<Big, 3>::create_anonymous().unwrap();
        let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
        sender.send_with(|slot| slot.fill(2)).unwrap();
        let large = receiver.recv_boxed().unwrap();
        assert!(is_all(&large, 2));
        sender.try_send_with(|slot| slot.fill(3)).unwrap();
        let mut large = large;
        receiver.recv_into(&mut large).unwrap();
        assert!(is_all(&large, 3));
        // Around the end of the slots, so that the batch is in two parts.
        let batch: Vec<Big> = {
            let mut batch = Vec::with_capacity(3);
            batch.extend_from_slice(std::slice::from_ref(&*all(5)));
            batch.extend_from_slice(std::slice::from_ref(&*all(6)));
            batch.extend_from_slice(std::slice::from_ref(&*all(7)));
            batch
        };
        sender.send_slice(&batch).unwrap();
        assert!(show(&*shm).starts_with("Ring"));
        show(&sender);
        let mut out = batch;
        out.iter_mut().for_each(|big| big.fill(0));
        assert_eq!(receiver.recv_slice(&mut out).unwrap(), 3);
        for (big, number) in out.iter().zip(5..) {
            assert!(is_all(big, number));
        }
        sender.try_send_with(|slot| slot.fill(8)).unwrap();
        let word = receiver.recv_with(|slot, _| slot[1 << 18].get());
        assert_eq!(word, Ok(8));
        show(&receiver);
        // The messages of a departed sender, and then no more.
        sender.send_with(|slot| slot.fill(9)).unwrap();
        drop(sender);
        assert!(is_all(&receiver.recv_boxed().unwrap(), 9));
        assert!(receiver.recv_boxed().is_err());
        assert_eq!(receiver.position(), 7);
    });
}

#[test]
fn broadcast_messages_of_megabytes_need_no_stack() {
    on_small_stack(|| {
        let shm = Broadcast::<Big, 2>::create_anonymous().unwrap();
        let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver());
        let mut big = all(3);
        sender.send_from(&big).unwrap();
        assert!(is_all(&receiver.recv_boxed().unwrap(), 3));
        sender.send_with(|slot| slot.fill(4)).unwrap();
        receiver.recv_into(&mut big).unwrap();
        assert!(is_all(&big, 4));
        assert!(show(&*shm).starts_with("Broadcast"));
        show(&sender);
        show(&receiver);
    });
}
