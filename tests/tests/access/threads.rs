//! Threads of one process on one segment. ThreadSanitizer checks this (`ci/tsan.sh`), so each test has something for it to
//! report: plain memory that only a lock or an atomic of the segment protects, or bytes that two threads copy at once.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use shm_core::sync::{LockError, Mutex};
use shm_core::{ShmLayout, ShmStr, ShmVec};
use shm_tests::{Guarded, Names, Samples, Telemetry};

const THREADS: u64 = 4;

/// Plain memory of this process.
struct Plain(UnsafeCell<u64>);

// SAFETY: each test says what keeps two threads from accessing it at once.
unsafe impl Sync for Plain {}

impl Plain {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    /// # Safety
    ///
    /// No other thread accesses it.
    unsafe fn add(&self, number: u64) -> u64 {
        let place = self.0.get();
        // SAFETY: the place belongs to this value, and the caller excludes other threads.
        let value = unsafe { place.read() } + number;
        // SAFETY: as above.
        unsafe { place.write(value) };
        value
    }
}

/// Runs the same closure on several threads. They are joined one by one: ThreadSanitizer does not see how a scope waits for
/// them, because that code is in the precompiled standard library.
fn at_once(work: impl Fn(u64) + Sync) {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[derive(ShmLayout)]
#[repr(C)]
struct Baton {
    turn: AtomicU64,
    lock: Mutex<u64>,
}

#[test]
fn a_mutex_orders_accesses_outside_the_segment() {
    const EACH: u64 = 5_000;
    let shm = Baton::create_anonymous().unwrap();
    let plain = Plain::new();
    at_once(|number| {
        for round in 0..EACH {
            // Every way to lock.
            let guard = match (number + round) % 3 {
                0 => shm.lock.lock().unwrap(),
                1 => shm.lock.lock_timeout(shm_tests::DEADLINE).unwrap(),
                _ => loop {
                    match shm.lock.try_lock() {
                        Ok(guard) => break guard,
                        Err(LockError::WouldBlock(_)) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                },
            };
            // SAFETY: only the thread that holds the lock is here.
            let value = unsafe { plain.add(1) };
            guard.set(guard.get() + 1);
            assert_eq!(guard.get(), value);
            drop(guard);
            // Yields, so that the lock changes hands often.
            thread::yield_now();
        }
    });
    assert_eq!(shm.lock.lock().unwrap().get(), THREADS * EACH);
}

#[test]
fn an_atomic_field_orders_accesses_outside_the_segment() {
    const ROUNDS: u64 = 2_000;
    let shm = Baton::create_anonymous().unwrap();
    let plain = Plain::new();
    at_once(|number| {
        for round in 0..ROUNDS {
            let mine = round * THREADS + number;
            while shm.turn.load(Ordering::Acquire) != mine {
                thread::yield_now();
            }
            // SAFETY: only the thread whose turn it is is here.
            assert_eq!(unsafe { plain.add(1) }, mine + 1);
            shm.turn.store(mine + 1, Ordering::Release);
        }
    });
    assert_eq!(shm.turn.load(Ordering::Acquire), THREADS * ROUNDS);
}

/// Enough leaves of each width for a bulk copy, and some that are copied one by one.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Mixed {
    words: [u64; 48],
    halves: [u16; 40],
    bytes: [u8; 48],
    flags: [bool; 16],
    wide: [u128; 2],
    text: ShmStr<16>,
}

impl Mixed {
    fn of(byte: u8) -> Self {
        Self {
            words: [u64::from_ne_bytes([byte; 8]); 48],
            halves: [u16::from_ne_bytes([byte; 2]); 40],
            bytes: [byte; 48],
            flags: [byte.is_multiple_of(2); 16],
            wide: [u128::from_ne_bytes([byte; 16]); 2],
            text: ShmStr::new(&char::from(b'a' + byte % 26).to_string().repeat(16)).unwrap(),
        }
    }

    /// Every leaf is one that some thread has written. Each half of a `u128` is a leaf.
    fn is_of_whole_leaves(&self) -> bool {
        let same = |bytes: &[u8]| bytes.iter().all(|byte| *byte == bytes[0]);
        self.words.iter().all(|word| same(&word.to_ne_bytes()))
            && self.halves.iter().all(|half| same(&half.to_ne_bytes()))
            && self.wide.iter().all(|wide| {
                let bytes = wide.to_ne_bytes();
                same(&bytes[..8]) && same(&bytes[8..])
            })
    }
}

#[test]
fn concurrent_bulk_copies_tear_only_between_leaves() {
    const ROUNDS: u8 = 200;
    let shm = <[Mixed; 4]>::create_anonymous().unwrap();
    at_once(|number| {
        let mut all = [Mixed::of(0); 4];
        for round in 0..ROUNDS {
            let value = Mixed::of(round.wrapping_mul(31) ^ number as u8);
            let cell = &shm[usize::from(round % 4)];
            match round % 5 {
                0 => cell.store(value),
                1 => shm.store_from(&[value; 4]),
                2 => shm.fill(value),
                3 => shm[1..3].write_from(&[value; 2]),
                _ => {
                    cell.words.write_from(&value.words);
                    cell.bytes[7..40].write_from(&value.bytes[7..40]);
                    cell.flags[0].set(value.flags[0]);
                    cell.text.set("text").unwrap();
                }
            }
            assert!(cell.load().is_of_whole_leaves());
            shm.load_into(&mut all);
            assert!(all.iter().all(Mixed::is_of_whole_leaves));
            shm.read_into(&mut all);
            assert!(all.iter().all(Mixed::is_of_whole_leaves));
        }
    });
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shelf {
    readers: AtomicU32,
    _pad: u32,
    shelf: ShmVec<u64, 64>,
    title: ShmStr<32>,
}

#[test]
fn vectors_and_strings_are_read_during_changes() {
    const ROUNDS: u64 = 500;
    let shm = Shelf::create_anonymous().unwrap();
    thread::scope(|scope| {
        let readers = [(); THREADS as usize - 1].map(|()| {
            scope.spawn(|| {
                shm.readers.fetch_add(1, Ordering::AcqRel);
                while shm.readers.load(Ordering::Acquire) != 0 {
                    let all = shm.shelf.to_vec();
                    assert!(
                        all.len() <= 64 && all.iter().all(|value| value % 3 == 0),
                        "{all:?}"
                    );
                    // A mixture of two texts may not be valid UTF-8.
                    let _ = shm.title.get();
                }
            })
        });
        while shm.readers.load(Ordering::Acquire) < THREADS as u32 - 1 {
            thread::yield_now();
        }
        for round in 0..ROUNDS {
            while shm.shelf.push(round * 3).is_ok() {}
            shm.shelf
                .retain(|cell| cell.get() % 2 == 0 || shm.shelf.len() < 40);
            shm.shelf.remove(3);
            shm.shelf.swap_remove(7);
            shm.shelf.insert(5, round * 9).unwrap();
            shm.shelf.truncate(32);
            shm.title.set(&format!("round {round}")).unwrap();
            shm.shelf.clear();
            shm.shelf.extend_from_slice(&[round * 6; 20]).unwrap();
        }
        shm.readers.store(0, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert_eq!(shm.shelf.len(), 20);
}

#[test]
fn threads_attach_and_drop_handles_concurrently() {
    const ROUNDS: u64 = 200;
    let names = Names::new("threads");
    let (guarded, telemetry) = (names.name("guarded"), names.name("telemetry"));
    let owner = Guarded::create(&guarded).unwrap();
    at_once(|number| {
        for round in 0..ROUNDS {
            // Each handle is a participant, so threads also register and leave at once.
            let shm = Guarded::attach(&guarded).unwrap();
            let guard = shm.lock.lock().unwrap();
            guard.count.set(guard.count.get() + 1);
            guard.twin.set(guard.count.get());
            drop(guard);
            drop(shm);
            let frame = (number * ROUNDS + round) as u16;
            let init = |shm: &shm_core::Shm<Telemetry>| {
                shm.store(Telemetry::numbered(frame));
            };
            let shared = Telemetry::options().open_or_create_with(&telemetry, init);
            assert!(shared.unwrap().load().is_whole());
            let own = Samples::create_anonymous_with_len(number as usize + 1).unwrap();
            own.values.fill(7);
            assert_eq!(own.values.len() as u64, number + 1);
        }
    });
    let guard = owner.lock.lock().unwrap();
    let expected = THREADS * ROUNDS;
    assert_eq!((guard.count.get(), guard.twin.get()), (expected, expected));
}
