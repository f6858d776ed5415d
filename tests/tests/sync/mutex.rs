//! Mutexes around values of every shape, in every kind of field.

use std::error::Error;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use shm_core::sync::{LockError, Mutex, Semaphore};
use shm_core::{Shm, ShmCell, ShmLayout, ShmStr, ShmVec};
use shm_tests::{DEADLINE, Names};

/// A second handle for the same segment, which is a separate participant.
fn again<T: ShmLayout>(shm: &Shm<T>) -> Shm<T> {
    T::from_fd(shm.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u8)]
enum Light {
    Red,
    Green = 7,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Inner {
    number: u32,
    turns: Semaphore,
    lock: Mutex<u64>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shapes<T: ShmLayout> {
    of_a_wide_one: Mutex<u128>,
    of_a_struct: Mutex<Inner>,
    of_a_lock: Mutex<Mutex<u64>>,
    of_many: Mutex<ShmVec<u64, 3>>,
    each: [[Mutex<u64>; 2]; 2],
    of_no_words: Mutex<[u64; 0]>,
    of_text: Mutex<ShmStr<12>>,
    of_bytes: Mutex<[u8; 3]>,
    of_nothing: Mutex<[u8; 0]>,
    of_an_enum: Mutex<Light>,
    of_any: Mutex<T>,
    _pad: [u8; 12],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Tail {
    count: u64,
    locks: [Mutex<u64>],
}

/// Checks a lock through two handles: one acquires it, and releases it.
macro_rules! is_a_lock {
    ($shm:ident, $other:ident, $($place:tt)+) => {{
        let guard = $shm.$($place)+.lock().unwrap();
        assert!(matches!($other.$($place)+.try_lock(), Err(LockError::WouldBlock(_))));
        drop(guard);
        drop($other.$($place)+.try_lock().unwrap());
    }};
}

#[test]
fn a_mutex_can_hold_any_type_in_any_field() {
    let shm = Shapes::<[f32; 5]>::create_anonymous().unwrap();
    let other = again(&shm);
    is_a_lock!(shm, other, of_bytes);
    is_a_lock!(shm, other, of_nothing);
    is_a_lock!(shm, other, of_no_words);
    is_a_lock!(shm, other, of_an_enum);
    is_a_lock!(shm, other, of_a_wide_one);
    is_a_lock!(shm, other, of_a_struct);
    is_a_lock!(shm, other, of_a_lock);
    is_a_lock!(shm, other, of_text);
    is_a_lock!(shm, other, of_many);
    is_a_lock!(shm, other, each[1][0]);
    is_a_lock!(shm, other, of_any);

    shm.of_bytes.lock().unwrap()[2].set(9);
    shm.of_an_enum.lock().unwrap().set(Light::Green);
    shm.of_a_wide_one.lock().unwrap().set(u128::MAX - 1);
    shm.of_text.lock().unwrap().set("twelve bytes").unwrap();
    shm.of_many.lock().unwrap().push(5).unwrap();
    shm.of_any.lock().unwrap().store([1.5; 5]);
    assert_eq!(other.of_bytes.lock().unwrap().load(), [0, 0, 9]);
    let light = other.of_an_enum.lock().unwrap().try_get().unwrap();
    assert_eq!(light, Light::Green);
    assert_eq!(other.of_a_wide_one.lock().unwrap().get(), u128::MAX - 1);
    let text = other.of_text.lock().unwrap().get();
    assert_eq!(text.unwrap(), "twelve bytes");
    assert_eq!(other.of_many.lock().unwrap().len(), 1);
    assert_eq!(other.of_any.lock().unwrap().load(), [1.5; 5]);
}

#[test]
fn a_nested_mutex_is_locked_separately() {
    let shm = Shapes::<u8>::create_anonymous().unwrap();
    let other = again(&shm);
    let outer = shm.of_a_struct.lock().unwrap();
    let inner = outer.lock.lock().unwrap();
    inner.set(3);
    outer.turns.post().unwrap();
    // `unlocked` needs no lock.
    assert_eq!(other.of_a_struct.unlocked().lock.unlocked().get(), 3);
    drop(inner);
    assert!(matches!(
        other.of_a_struct.try_lock(),
        Err(LockError::WouldBlock(_))
    ));
    drop(outer);
    let outer = other.of_a_lock.lock().unwrap();
    let inner = outer.lock().unwrap();
    inner.set(1);
}

#[test]
fn mutexes_in_a_trailing_slice_report_dead_owners() {
    let names = Names::new("mutex-tail");
    let name = names.name("t");
    let shm = Tail::create_with_len(&name, 1000).unwrap();
    let leaving = Tail::attach(&name).unwrap();
    std::mem::forget(leaving.locks[999].lock().unwrap());
    assert!(matches!(
        shm.locks[999].try_lock(),
        Err(LockError::WouldBlock(_))
    ));
    drop(shm.locks[998].try_lock().unwrap());
    drop(leaving);
    let found = shm.locks[999].lock_timeout(DEADLINE);
    assert!(matches!(found, Err(LockError::OwnerDied(_))));
    assert_eq!(shm.count.get(), 0);
}

/// Leaves the lock as if its owner had died in the middle of a change.
fn die_with(lock: &Mutex<[u64; 2]>) {
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let guard = match lock.lock() {
            Ok(guard) | Err(LockError::OwnerDied(guard)) => guard,
            Err(error) => panic!("{error}"),
        };
        guard[0].set(5);
        // Without the message of an expected panic.
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(died.is_err());
}

#[test]
fn a_dead_owners_value_is_repaired_once() -> Result<(), Box<dyn Error>> {
    let shm = Mutex::<[u64; 2]>::create_anonymous()?;
    let repair = |half_done: &ShmCell<[u64; 2]>| half_done.store([half_done[0].get(); 2]);
    die_with(&shm);
    // A repair that panics leaves the lock to the next owner.
    let died = shm.lock().unwrap_err();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        died.recover(|_| std::panic::resume_unwind(Box::new("on purpose")))
            .is_ok()
    }));
    assert!(panicked.is_err());
    let guard = shm.lock().or_else(|error| error.recover(repair))?;
    assert_eq!(guard.load(), [5, 5]);

    // Nothing is left to repair, and other errors are passed on.
    let refused = shm.try_lock().or_else(|error| error.recover(repair));
    assert!(matches!(refused, Err(LockError::WouldBlock(_))));
    drop(guard);
    drop(shm.lock().unwrap());
    Ok(())
}

#[test]
fn lock_recover_repairs_after_a_death_only() -> Result<(), LockError> {
    let shm = Mutex::<[u64; 2]>::create_anonymous().unwrap();
    let nothing = |_: &ShmCell<[u64; 2]>| panic!("there is nothing to repair");
    drop(shm.lock_recover(nothing)?);
    die_with(&shm);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shm.lock_recover(|_| std::panic::resume_unwind(Box::new("on purpose")))
            .is_ok()
    }));
    assert!(panicked.is_err());
    assert!(matches!(shm.try_lock(), Err(LockError::OwnerDied(_))));
    let guard = shm.lock_recover(|half_done| half_done.store([half_done[0].get(); 2]))?;
    assert_eq!(guard.load(), [5, 5]);
    drop(guard);
    drop(shm.lock_recover(nothing)?);
    Ok(())
}

/// The error converts into both boxes that programs use, and into one that owns all it holds.
#[test]
fn question_mark_after_a_death_keeps_the_mark() {
    fn boxed(lock: &Mutex<[u64; 2]>) -> Result<u64, Box<dyn Error>> {
        Ok(lock.lock()?[0].get())
    }
    fn sendable(lock: &Mutex<[u64; 2]>) -> Result<u64, Box<dyn Error + Send + Sync>> {
        Ok(lock.try_lock()?[0].get())
    }
    fn owned(lock: &Mutex<[u64; 2]>) -> Result<u64, LockError> {
        let guard = lock.lock_timeout(DEADLINE).map_err(LockError::into_owned)?;
        Ok(guard[0].get())
    }
    let shm = Mutex::<[u64; 2]>::create_anonymous().unwrap();
    assert_eq!(boxed(&shm).unwrap(), 0);
    let guard = shm.lock().unwrap();
    let error = sendable(&shm).unwrap_err();
    assert!(matches!(
        error.downcast_ref(),
        Some(LockError::<()>::WouldBlock(_))
    ));
    drop(guard);
    die_with(&shm);
    // Each of these locks, and unlocks without a repair.
    for _ in 0..2 {
        let error = boxed(&shm).unwrap_err();
        assert!(error.to_string().contains("lock_recover"), "{error}");
        let error = sendable(&shm).unwrap_err();
        assert!(matches!(
            error.downcast_ref(),
            Some(LockError::OwnerDied(()))
        ));
        assert!(matches!(owned(&shm), Err(LockError::OwnerDied(()))));
    }
    drop(shm.lock_recover(|value| value.fill(7)).unwrap());
    assert_eq!(boxed(&shm).unwrap(), 7);
    assert_eq!(sendable(&shm).unwrap(), 7);
    assert_eq!(owned(&shm).unwrap(), 7);
}

#[test]
fn every_lock_error_gives_advice() {
    let shm = Mutex::<u64>::create_anonymous().unwrap();
    let guard = shm.lock().unwrap();
    let refused = |locked: Result<_, LockError<_>>| locked.map(drop).unwrap_err().into_owned();
    let errors: [(LockError, &str); 4] = [
        (LockError::OwnerDied(()), "lock_recover"),
        (
            refused(again(&shm).lock_timeout(DEADLINE / 1000)),
            "wait longer",
        ),
        (refused(shm.try_lock()), "try again"),
        (refused(shm.lock()), "drop the first guard"),
    ];
    drop(guard);
    for (error, hint) in errors {
        assert!(error.to_string().contains(hint), "{error}");
        let held = matches!(error, LockError::OwnerDied(()));
        assert_eq!(error.into_guard().is_some(), held);
    }
    let reason = Mutex::<u64>::attach("no slash").unwrap_err();
    let text = reason.to_string();
    let error: LockError<()> = LockError::Unregistered(Box::new(reason));
    assert!(error.to_string().ends_with(&text), "{error}");
}

#[test]
fn a_guard_can_be_lent_to_scoped_threads() {
    const ROUNDS: u64 = 1000;
    let shm = Mutex::<[u64; 3]>::create_anonymous().unwrap();
    let other = again(&shm);
    let guard = shm.lock().unwrap();
    shm_tests::scope(|scope| {
        for cell in guard.iter() {
            scope.start(|| {
                for _ in 0..ROUNDS {
                    cell.set(cell.get() + 1);
                }
            });
        }
        // The guard itself, not only cells of it.
        scope.start(|| {
            while guard.load() != [ROUNDS; 3] {
                thread::yield_now();
            }
            assert!(matches!(other.try_lock(), Err(LockError::WouldBlock(_))));
            assert_eq!(format!("{guard:?}"), "[1000, 1000, 1000]");
        });
    });
    drop(guard);
    assert_eq!(other.try_lock().unwrap().load(), [ROUNDS; 3]);
}

#[test]
fn only_an_unhandled_panic_of_a_borrower_poisons() {
    let shm = Mutex::<u64>::create_anonymous().unwrap();
    let handled = catch_unwind(AssertUnwindSafe(|| {
        let guard = shm.lock().unwrap();
        thread::scope(|scope| {
            let borrower = scope.spawn(|| {
                guard.set(1);
                panic!("in a borrower");
            });
            assert!(borrower.join().is_err());
        });
    }));
    assert!(handled.is_ok());
    assert_eq!(shm.try_lock().unwrap().get(), 1);
    let unhandled = catch_unwind(AssertUnwindSafe(|| {
        let guard = shm.lock().unwrap();
        shm_tests::scope(|scope| {
            scope.start(|| {
                guard.set(2);
                panic!("in a borrower");
            });
        });
    }));
    assert!(unhandled.is_err());
    let Err(LockError::OwnerDied(guard)) = shm.try_lock() else {
        panic!("not poisoned");
    };
    assert_eq!(guard.get(), 2);
}
