//! A thread does not wait for itself.

use std::cell::RefCell;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use shm_core::sync::{LockError, Mutex, MutexGuard, SeqLock, WriteError};
use shm_core::{Shm, ShmLayout};
use shm_tests::{Guarded, Names, peer};

#[derive(ShmLayout)]
#[repr(C)]
struct Several {
    locks: [Mutex<u32>; 12],
}

/// Which error a call gets that locks, or `None` if it has the lock.
fn refused<G, E>(locked: Result<G, E>) -> Option<E> {
    locked.err()
}

/// Whether a thread that waits for the lock gets the error that it holds it already.
fn is_own(lock: &Mutex<u32>) -> bool {
    matches!(
        lock.lock_timeout(Duration::ZERO),
        Err(LockError::WouldDeadlock)
    )
}

/// Whether another thread or process holds the lock.
fn is_foreign(lock: &Mutex<u32>) -> bool {
    matches!(
        lock.lock_timeout(Duration::ZERO),
        Err(LockError::TimedOut(_))
    )
}

#[test]
fn a_second_lock_of_a_thread_is_an_error() {
    let shm = Mutex::<u32>::create_anonymous().unwrap();
    let guard = shm.lock().unwrap();
    let errors = [
        refused(shm.lock()).map(LockError::into_owned),
        refused(shm.lock_timeout(Duration::MAX)).map(LockError::into_owned),
        refused(shm.lock_recover(|_| ())),
    ];
    for error in errors {
        assert!(matches!(error, Some(LockError::WouldDeadlock)));
    }
    assert!(matches!(shm.try_lock(), Err(LockError::WouldBlock(_))));
    drop(guard);
    drop(shm.lock().unwrap());
}

/// Each handle is a participant of its own.
#[test]
fn a_lock_held_through_another_handle_is_foreign() {
    let names = Names::new("other-handle");
    let name = names.name("lock");
    let shm = Mutex::<u32>::create(&name).unwrap();
    let second = Mutex::<u32>::attach(&name).unwrap();
    let guard = shm.lock().unwrap();
    assert!(is_own(&shm) && is_foreign(&second));
    drop(guard);
    assert!(second.try_lock().is_ok());
}

#[test]
fn a_second_write_of_a_thread_is_an_error() {
    let shm = SeqLock::<u64>::create_anonymous().unwrap();
    let each_is_refused = || {
        let errors = [
            refused(shm.write()),
            refused(shm.write_timeout(Duration::MAX)),
            refused(shm.update(|value| *value += 1)),
            refused(shm.write_with(|value| value.set(1))),
            refused(shm.store(1)),
            refused(shm.store_from(&1)),
        ];
        let all = errors
            .iter()
            .all(|error| matches!(error, Some(WriteError::WouldDeadlock)));
        all && matches!(shm.try_write(), Err(WriteError::WouldBlock(_)))
    };
    let guard = shm.write().unwrap();
    assert!(each_is_refused());
    guard.discard();
    assert!(shm.update(|_| each_is_refused()).unwrap().1);
    let (version, refused) = shm
        .write_with(|value| {
            value.set(7);
            each_is_refused()
        })
        .unwrap();
    assert!(refused);
    assert_eq!((version, shm.read().unwrap()), (2, 7));
    shm.store(8).unwrap();
}

#[test]
fn locks_that_a_thread_holds_are_told_apart() {
    let shm = Several::create_anonymous().unwrap();
    let mut guards = shm.locks.iter().map(|lock| Some(lock.lock().unwrap()));
    let mut guards: [_; 12] = std::array::from_fn(|_| guards.next().unwrap());
    // Neither in the order of locking nor in reverse.
    for released in (0..12).map(|n| n * 5 % 12) {
        for (lock, guard) in shm.locks.iter().zip(&guards) {
            assert_eq!(is_own(lock), guard.is_some());
        }
        guards[released] = None;
    }
    assert!(!shm.locks.iter().any(|lock| is_own(lock)));
    // One that is kept, and others under it.
    let _kept = shm.locks[0].lock().unwrap();
    for lock in &shm.locks[1..] {
        let guard = lock.lock().unwrap();
        assert!(is_own(lock) && is_own(&shm.locks[0]));
        drop(guard);
        assert!(!is_own(lock) && is_own(&shm.locks[0]));
    }
}

#[test]
fn a_lock_of_another_thread_is_waited_for() {
    let shm = Several::create_anonymous().unwrap();
    let [lock, unlocked, last]: [&Mutex<u32>; 3] = [&shm.locks[0], &shm.locks[1], &shm.locks[2]];
    // This thread held it before, and released it while it held one that it had locked later.
    let held = lock.lock().unwrap();
    let later = unlocked.lock().unwrap();
    drop(held);
    drop(later);
    // And one that it has locked and released last.
    drop(last.lock().unwrap());
    let (locked, is_locked) = channel();
    let (unlock, may_unlock) = channel::<()>();
    shm_tests::scope(|scope| {
        scope.start(move || {
            let _guards = [lock.lock().unwrap(), last.lock().unwrap()];
            locked.send(()).unwrap();
            may_unlock.recv().unwrap_err();
        });
        is_locked.recv().unwrap();
        assert!(is_foreign(last) && is_foreign(lock));
        let _other = unlocked.lock().unwrap();
        assert!(is_foreign(lock));
        drop(unlock);
        drop(lock.lock().unwrap());
    });
}

#[test]
fn a_leaked_guard_still_holds_the_lock() {
    let shm = Several::create_anonymous().unwrap();
    forget(shm.locks[0].lock().unwrap());
    for lock in &shm.locks[1..] {
        drop(lock.lock().unwrap());
        assert!(is_own(&shm.locks[0]));
    }
    thread::scope(|scope| {
        let foreign = scope.spawn(|| is_foreign(&shm.locks[0]));
        assert!(foreign.join().unwrap());
    });
}

#[test]
fn a_leaked_guard_ends_with_its_handle() {
    let lock_of = |shm: &Shm<Mutex<u32>>| std::ptr::from_ref::<Mutex<u32>>(shm).addr();
    let mut leaked = Vec::new();
    let reused = loop {
        let shm = Mutex::<u32>::create_anonymous().unwrap();
        if leaked.contains(&lock_of(&shm)) {
            break shm;
        }
        // At the latest when no address is left.
        leaked.push(lock_of(&shm));
        forget(shm.lock().unwrap());
    };
    // Address and id are those of the leaked guard. Another thread has the lock.
    let (locked, is_locked) = channel();
    let (unlock, may_unlock) = channel::<()>();
    let reused = &*reused;
    shm_tests::scope(|scope| {
        scope.start(move || {
            let _guard = reused.lock().unwrap();
            locked.send(()).unwrap();
            may_unlock.recv().unwrap_err();
        });
        is_locked.recv().unwrap();
        assert!(is_foreign(reused));
        drop(unlock);
    });
    let guard = reused.lock().unwrap();
    assert!(is_own(reused));
    drop(guard);
    assert!(reused.lock().is_ok());
}

#[test]
fn a_guard_that_a_panic_drops_holds_nothing_any_more() {
    let shm = Several::create_anonymous().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guards = [shm.locks[0].lock().unwrap(), shm.locks[1].lock().unwrap()];
        panic!("with two locks");
    }));
    assert!(panicked.is_err());
    for lock in &shm.locks[..2] {
        assert!(matches!(lock.lock(), Err(LockError::OwnerDied(_))));
        assert!(!is_own(lock));
    }
}

#[test]
fn guards_work_in_destructors_of_thread_locals() {
    thread_local! {
        static KEPT: RefCell<Vec<MutexGuard<'static, u32>>> = const { RefCell::new(Vec::new()) };
    }
    let shm: &'static Shm<Several> = Box::leak(Box::new(Several::create_anonymous().unwrap()));
    thread::spawn(|| {
        // Used first, so destroyed last.
        KEPT.with_borrow_mut(|kept| {
            kept.extend(shm.locks.iter().map(|lock| lock.lock().unwrap()));
        });
    })
    .join()
    .unwrap();
    for lock in &shm.locks {
        drop(lock.lock().unwrap());
    }
}

#[test]
fn a_fork_child_waits_for_its_parents_thread() {
    let names = Names::new("own-fork");
    let name = names.name("t");
    let _shm = Guarded::create(&name).unwrap();
    let mut parent = peer!("claims attach {name}");
    let lock = |parent: &mut shm_tests::Peer| {
        let answer = parent.ok("claims lock 0");
        answer.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(lock(&mut parent), "held");
    assert_eq!(lock(&mut parent), "would-deadlock");
    parent.ok("claims fork-relock");
    assert_eq!(lock(&mut parent), "would-deadlock");
    parent.ok("claims unlock");
    assert_eq!(lock(&mut parent), "held");
    // The child has the commands now, and waits for its parent with the same thread.
    parent.ok("fork-continue");
    assert_eq!(lock(&mut parent), "timed-out");
    // Kills the parent, which does not end otherwise.
    parent.kill();
}
