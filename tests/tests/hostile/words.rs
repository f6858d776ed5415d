//! A peer writes random numbers into words that others wait on, without a pause: every call with a timeout ends, and so does
//! every call that does not wait.
//!
//! `SHM_HOSTILE_ROUNDS` is the minimum number of each call.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::Duration;

use shm_core::sync::{Barrier, BarrierError, Event, Semaphore};
use shm_core::{Shm, ShmLayout};
use shm_tests::{RandomDelays, count_from_env};

/// A timeout: mostly in vain, and short enough for many calls.
const SHORT: Duration = Duration::from_micros(100);

/// All words of a segment that consists of four-byte words.
fn words<T: ShmLayout>(shm: &Shm<T>) -> Vec<&AtomicU32> {
    let start: *mut u32 = shm.as_ptr().cast_mut().cast();
    (0..T::LAYOUT.size() / 4)
        .map(|number| {
            // SAFETY: within the payload.
            let word = unsafe { start.add(number) };
            // SAFETY: aligned, mapped as long as the handle, and only accessed atomically.
            unsafe { AtomicU32::from_ptr(word) }
        })
        .collect()
}

/// Runs `work` repeatedly, next to a thread that overwrites the words a hundred times as often, as fast as it
/// can. `work` returns for each call whether it succeeded; this returns how often it did.
fn next_to_random_writes<T: ShmLayout>(
    shm: &Shm<T>,
    mut work: impl FnMut() -> [bool; 4],
) -> [u64; 4] {
    let least = count_from_env("SHM_HOSTILE_ROUNDS", 300);
    let words = words(shm);
    let (passes, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let (successes, rounds) = shm_tests::scope(|scope| {
        scope.start(|| {
            let mut random = RandomDelays::new();
            while !done.load(Acquire) {
                for word in &words {
                    let value = random.next_number();
                    let low = value as u32;
                    // Ids of living processes with and without flags, small numbers, the largest, and any.
                    let number = match (value >> 40) % 5 {
                        0 => low & 0xC000_0003,
                        1 => low & 7,
                        2 => low & 1,
                        3 => u32::MAX - (low & 3),
                        _ => low,
                    };
                    word.store(number, Release);
                }
                passes.fetch_add(1, Release);
            }
        });
        let (mut successes, mut rounds) = ([0; 4], 0);
        while rounds < least || passes.load(Acquire) < 100 * least {
            rounds += 1;
            for (count, one) in successes.iter_mut().zip(work()) {
                *count += u64::from(one);
            }
        }
        done.store(true, Release);
        (successes, rounds)
    });
    for word in words {
        word.store(0, Release);
    }
    println!("of {rounds} each: {successes:?}");
    successes
}

#[test]
fn event_waits_end_while_a_peer_writes_random_words() {
    let shm = Event::create_anonymous().unwrap();
    let reader = shm.read_only();
    let successes = next_to_random_writes(&shm, || {
        shm.notify_one();
        shm.notify_all();
        let seen = shm.generation();
        [
            shm.wait_timeout(seen, SHORT).is_ok(),
            reader.wait_timeout(seen, SHORT).is_ok(),
            shm.wait_until_timeout(SHORT, || None::<()>).is_ok(),
            reader.wait_until_timeout(SHORT, || None::<()>).is_ok(),
        ]
    });
    assert_eq!(successes[2..], [0, 0], "no call found anything");
    shm.notify_all();
    assert_eq!(shm.wait_timeout(0, Duration::ZERO), Ok(1));
}

#[test]
fn semaphore_calls_end_while_a_peer_writes_random_words() {
    let shm = Semaphore::create_anonymous().unwrap();
    next_to_random_writes(&shm, || {
        [
            shm.wait_timeout(SHORT).is_ok(),
            shm.try_wait(),
            shm.post().is_ok(),
            shm.post_many(3).is_ok(),
        ]
    });
    shm.post().unwrap();
    assert_eq!((shm.try_wait(), shm.value()), (true, 0));
}

#[test]
fn barrier_waits_end_while_a_peer_writes_random_words() {
    let shm = Barrier::<2>::create_anonymous().unwrap();
    next_to_random_writes(&shm, || {
        let _ = (shm.arrived(), shm.round());
        let mut seats = [shm.join(), shm.join_timeout(SHORT)];
        let mut passed = [false; 4];
        for (number, seat) in seats.iter_mut().enumerate() {
            let seat = match seat {
                Ok(seat) => seat,
                Err(BarrierError::Full) => continue,
                Err(error) => panic!("{error}"),
            };
            passed[number] = true;
            passed[number + 2] = match seat.wait_timeout(SHORT) {
                Ok(_) => true,
                Err(
                    BarrierError::Died { .. }
                    | BarrierError::TimedOut { .. }
                    | BarrierError::NotOwner,
                ) => false,
                Err(error) => panic!("{error}"),
            };
            let _ = seat.has_arrived();
        }
        passed
    });
    let (mut one, mut two) = (shm.join().unwrap(), shm.join().unwrap());
    assert!(one.wait_timeout(Duration::ZERO).is_err());
    assert!(two.wait_timeout(Duration::ZERO).is_ok());
}
