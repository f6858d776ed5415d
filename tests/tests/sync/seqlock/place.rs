//! Values of all shapes, and values written in place.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use shm_core::sync::{SeqLock, WriteError};
use shm_core::{ShmCell, ShmLayout};
use shm_tests::{DEADLINE, Names, SmallValue};

use super::{Lock, attached, create, reading};

fn fill(number: u64) -> impl FnOnce(&ShmCell<SmallValue>) {
    move |slot| slot.iter().for_each(|word| word.set(number))
}

#[test]
fn write_with_publishes_only_the_complete_value() {
    let shm = Lock::create_anonymous().unwrap();
    for number in 1..=7 {
        let write = |slot: &ShmCell<SmallValue>| {
            // The slot holds the value of three versions before, as there are three slots.
            assert_eq!(slot.load(), [number.max(3) - 3; 8]);
            slot[0].set(number);
            // Nothing is visible yet, and nobody else can write.
            assert_eq!(shm.read_versioned().unwrap(), (number - 1, [number - 1; 8]));
            assert!(matches!(shm.try_write(), Err(WriteError::WouldBlock(_))));
            slot.fill(number);
            number * 10
        };
        assert_eq!(shm.write_with(write).unwrap(), (number, number * 10));
        assert_eq!(shm.read_versioned().unwrap(), (number, [number; 8]));
    }
}

#[test]
fn a_panic_in_write_with_commits_nothing_and_frees_the_role() {
    let shm = Lock::create_anonymous().unwrap();
    shm.write_with(fill(1)).unwrap();
    let write = || {
        shm.write_with(|slot| -> () {
            slot[3].set(9);
            resume_unwind(Box::new("on purpose"));
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(write)).is_err());
    assert_eq!(shm.read_versioned().unwrap(), (1, [1; 8]));
    // The next writer finds what is left there, and overwrites it.
    let write = |slot: &ShmCell<SmallValue>| {
        assert_eq!(slot[3].get(), 9);
        fill(2)(slot);
    };
    assert_eq!(shm.write_with(write).unwrap().0, 2);
    assert_eq!(shm.read().unwrap(), [2; 8]);
}

#[test]
fn update_with_changes_a_part_and_keeps_the_rest() {
    let shm = Lock::create_anonymous().unwrap();
    shm.store([1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    for number in 2..=9 {
        let change = |next: &ShmCell<SmallValue>| {
            assert!(matches!(shm.try_write(), Err(WriteError::WouldBlock(_))));
            let before = next[0].get();
            next[0].set(number * 10);
            assert_eq!(shm.read().unwrap()[0], before);
            before
        };
        let before = if number == 2 { 1 } else { (number - 1) * 10 };
        assert_eq!(shm.update_with(change).unwrap(), (number, before));
        assert_eq!(shm.read().unwrap(), [number * 10, 2, 3, 4, 5, 6, 7, 8]);
    }
    let panics = || {
        shm.update_with(|next| -> () {
            next[7].set(0);
            resume_unwind(Box::new("on purpose"));
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let last = [90, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(shm.read_versioned().unwrap(), (9, last));
    // What is left in the slot does not reappear.
    shm.update_with(|_| ()).unwrap();
    assert_eq!(shm.read_versioned().unwrap(), (10, last));
}

#[test]
fn a_writer_stopped_or_killed_mid_slot_delays_no_reader() {
    let names = Names::new("seqlock-half");
    let name = names.name("t");
    let shm = create(&name);
    let (mut writer, mut reader) = (attached(&name), reading(&name));
    writer.tell("seqlock halt");
    assert_eq!(writer.hear(), "ok half");
    writer.stop();
    let read = |times: u32| {
        let start = Instant::now();
        for _ in 0..times {
            let (version, block) = shm.read_versioned().unwrap();
            assert!(version == 0 && block.is_numbered(0));
        }
        start.elapsed() / times
    };
    let next_to = read(10_000);
    assert_eq!(reader.ok("seqlock read"), "0 0 whole");
    let refused = shm.write_timeout(Duration::from_millis(20));
    assert!(matches!(refused, Err(WriteError::TimedOut(_))));
    writer.kill();
    let guard = shm.write_timeout(DEADLINE).unwrap();
    assert!(guard.is_numbered(0));
    guard.discard();
    println!(
        "a read next to the stopped writer {next_to:?}, alone {:?}",
        read(10_000)
    );
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C, align(4096))]
struct Page {
    words: [u64; 512],
}

#[test]
fn odd_sized_and_page_sized_values_are_read_correctly() {
    let shm = SeqLock::<[u8; 37], 3>::create_anonymous().unwrap();
    for number in 1..9 {
        shm.update(|bytes| bytes.fill(number)).unwrap();
        assert_eq!(shm.read().unwrap(), [number; 37]);
    }
    let names = Names::new("seqlock-pages");
    let name = names.name("t");
    let shm = SeqLock::<Page, 3>::create(&name).unwrap();
    let reader = SeqLock::<Page, 3>::attach_read_only(&name).unwrap();
    for number in 1..9 {
        shm.update(|page| page.words.fill(number)).unwrap();
        assert_eq!(reader.read_boxed().unwrap().words, [number; 512]);
        let place = reader.read_with(|page| page.as_ptr().addr()).unwrap();
        assert_eq!(place % 4096, 0);
    }
}

/// A value above the size that a guard keeps in itself, and one below.
fn a_guard_writes_in_place<const N: usize>() {
    let lock = SeqLock::<[u64; N]>::create_anonymous().unwrap();
    let mut guard = lock.write().unwrap();
    guard[0] = 9; // never published
    assert_eq!(guard.store_from(&[1; N]).unwrap(), 1);
    assert_eq!((*guard, lock.read().unwrap()), ([1; N], [1; N]));
    assert_eq!(guard.write_with(|slot| slot.fill(2)).unwrap(), (2, ()));
    assert_eq!((*guard, lock.read().unwrap()), ([2; N], [2; N]));
    guard[N - 1] = 3;
    assert_eq!(guard.publish().unwrap(), 3);
    assert_eq!(lock.read().unwrap()[N - 2..], [2, 3]);
    guard.store_from(&[4; N]).unwrap();
    // Nothing is pending.
    drop(guard);
    assert_eq!((lock.version(), lock.read().unwrap()), (4, [4; N]));

    // A guard that is dropped without a change commits the value again.
    drop(lock.write().unwrap());
    assert_eq!((lock.version(), lock.read().unwrap()), (5, [4; N]));

    let mut guard = lock.write().unwrap();
    guard[0] = 7;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        guard.write_with(|slot| {
            slot.fill(8);
            panic!("expected");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!((lock.version(), guard[0]), (5, 7));
    drop(guard);
    assert_eq!((lock.version(), lock.read().unwrap()), (5, [4; N]));
}

#[test]
fn a_guard_writes_small_and_large_values_in_place() {
    a_guard_writes_in_place::<2>();
    a_guard_writes_in_place::<16>();
    a_guard_writes_in_place::<17>();
    a_guard_writes_in_place::<10_000>();
}
