//! Sequence locks: values are whole whatever the writer does, and writers can follow one another.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use shm_core::sync::{Broadcast, ReadError, SeqLock, WriteError};
use shm_core::{Shm, ShmError, ShmLayout};
use shm_tests::{Block, Names, Peer, SmallValue, peer};

mod hostile;
mod place;
mod processes;

type Lock = SeqLock<SmallValue, 3>;

fn create(name: &str) -> Shm<SeqLock<Block>> {
    SeqLock::create(name).unwrap()
}

fn attached(name: &str) -> Peer {
    peer!("seqlock attach {name}")
}

fn reading(name: &str) -> Peer {
    peer!("seqlock attach-read-only {name}")
}

#[test]
fn every_read_call_returns_the_written_value() {
    let names = Names::new("seqlock-ways");
    let name = names.name("t");
    let shm = create(&name);
    let reader = SeqLock::<Block>::attach_read_only(&name).unwrap();
    // Zeroes are the first value.
    assert!(reader.read().unwrap().is_numbered(0));
    assert_eq!(reader.version(), 0);
    for number in 1..=9 {
        assert_eq!(shm.store(Block::numbered(number)).unwrap(), number);
        let (version, block) = reader.read_versioned().unwrap();
        assert!(version == number && block.is_numbered(number));
        assert!(reader.read().unwrap().is_numbered(number));
        assert!(reader.read_boxed().unwrap().is_numbered(number));
        let mut block = Block::numbered(77);
        reader.read_into(&mut block).unwrap();
        assert!(block.is_numbered(number));
        let sum = reader.read_with(|view| view.number.get() + view.words[1].get());
        assert_eq!(sum.unwrap(), 3 * number);
        assert_eq!((reader.version(), shm.version()), (number, number));
    }
    let add = |block: &mut Block| std::mem::replace(&mut block.number, 109);
    assert_eq!(shm.update(add).unwrap(), (10, 9));
    assert_eq!(reader.read().unwrap().number, 109);
}

#[test]
fn a_guard_commits_unless_discarded_or_unchanged() {
    let shm = Lock::create_anonymous().unwrap();
    let mut guard = shm.write().unwrap();
    guard.fill(1);
    // Nothing is visible yet.
    assert_eq!((shm.read().unwrap(), shm.version()), ([0; 8], 0));
    assert!(matches!(shm.try_write(), Err(WriteError::WouldBlock(_))));
    drop(guard);
    assert_eq!((shm.read().unwrap(), shm.version()), ([1; 8], 1));

    let mut guard = shm.write().unwrap();
    guard[3] = 2;
    assert_eq!(guard.commit().unwrap(), 2);
    assert_eq!((shm.read().unwrap()[3], shm.version()), (2, 2));

    let mut guard = shm.write().unwrap();
    guard.fill(3);
    guard.discard();
    assert_eq!((shm.read().unwrap()[3], shm.version()), (2, 2));

    let mut guard = shm.write().unwrap();
    for number in 4..9 {
        guard.fill(number);
        assert_eq!(guard.publish().unwrap(), number - 1);
        assert_eq!(shm.read().unwrap(), [number; 8]);
    }
    // Nothing has changed since.
    drop(guard);
    assert_eq!(shm.version(), 7);
    let mut guard = shm.write().unwrap();
    guard.publish().unwrap();
    guard.fill(9);
    drop(guard);
    assert_eq!((shm.read().unwrap(), shm.version()), ([9; 8], 9));
}

#[test]
fn a_write_guard_can_be_lent_to_scoped_threads() {
    let shm = SeqLock::<[u64; 100]>::create_anonymous().unwrap();
    let mut guard = shm.write().unwrap();
    let (left, right) = guard.split_at_mut(50);
    shm_tests::scope(|scope| {
        scope.start(|| left.fill(1));
        scope.start(|| right.fill(2));
    });
    shm_tests::scope(|scope| {
        for _ in 0..2 {
            scope.start(|| {
                assert_eq!(guard.iter().sum::<u64>(), 150);
                // Only the private copy has changed.
                assert_eq!(shm.read().unwrap(), [0; 100]);
            });
        }
    });
    assert_eq!(guard.commit().unwrap(), 1);
    assert_eq!(shm.read().unwrap().iter().sum::<u64>(), 150);
}

#[test]
fn a_panic_rolls_back_and_frees_the_writers_role() {
    let shm = SeqLock::<Block>::create_anonymous().unwrap();
    shm.store(Block::numbered(5)).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = shm.update(|block| {
            block.number = 6;
            // Without the message of an expected panic.
            resume_unwind(Box::new("on purpose"));
        });
    }));
    assert!(panicked.is_err());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = shm.write().unwrap();
        *guard = Block::numbered(6);
        guard.publish().unwrap();
        guard.number = 7;
        resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert!(
        shm.read().unwrap().is_numbered(6),
        "what was published stays"
    );
    assert_eq!(shm.version(), 2);
    // A write that begins during a panic commits like any other.
    struct Late<'a>(&'a Shm<SeqLock<Block>>);
    impl Drop for Late<'_> {
        fn drop(&mut self) {
            *self.0.write().unwrap() = Block::numbered(8);
        }
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _late = Late(&shm);
        resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert!(shm.read().unwrap().is_numbered(8));
    // During a panic a second one cannot be detected, but an update still commits nothing.
    struct Broken<'a>(&'a Shm<SeqLock<Block>>);
    impl Drop for Broken<'_> {
        fn drop(&mut self) {
            let half = |block: &mut Block| -> () {
                block.number = 9;
                resume_unwind(Box::new("on purpose"));
            };
            let update = || drop(self.0.update(half));
            assert!(catch_unwind(AssertUnwindSafe(update)).is_err());
        }
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _broken = Broken(&shm);
        resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!((shm.version(), shm.read().unwrap().number), (3, 8));
}

#[derive(ShmLayout)]
#[repr(C)]
struct Many {
    pairs: [SeqLock<[u32; 2], 3>; 3],
    inner: Inner,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Inner {
    letter: SeqLock<char>,
    flag: SeqLock<bool, 5>,
}

#[test]
fn sequence_locks_nest_in_arrays_and_structs() {
    let names = Names::new("seqlock-nested");
    let name = names.name("t");
    let shm = Many::create(&name).unwrap();
    let other = Many::attach_read_only(&name).unwrap();
    for (number, lock) in (1..).zip(shm.pairs.iter()) {
        lock.store([number, number]).unwrap();
    }
    shm.inner.letter.store('ł').unwrap();
    shm.inner.flag.update(|flag| *flag = !*flag).unwrap();
    let pairs: Vec<_> = other
        .pairs
        .iter()
        .map(|lock| lock.read().unwrap())
        .collect();
    assert_eq!(pairs, [[1, 1], [2, 2], [3, 3]]);
    assert_eq!(other.inner.letter.read().unwrap(), 'ł');
    assert!(other.inner.flag.read().unwrap());
    let shown = format!("{other:?}");
    assert!(
        shown.contains("SeqLock { version: 1, value: [3, 3] }"),
        "{shown}"
    );
    assert_eq!(
        format!("{:?}", shm.inner.flag),
        "SeqLock { version: 1, value: true }"
    );
    assert!(
        Many::LAYOUT
            .to_string()
            .contains("[SeqLock<[u32; 2], 3>; 3]")
    );
}

#[test]
fn a_different_slot_count_is_a_different_layout() {
    let names = Names::new("seqlock-slots");
    let name = names.name("t");
    let _shm = SeqLock::<u64>::create(&name).unwrap();
    let error = SeqLock::<u64, 5>::attach(&name).unwrap_err();
    assert!(matches!(error, ShmError::LayoutMismatch { .. }));
    let text = error.to_string();
    assert!(
        text.contains("`slots` is [u64; 4]") && text.contains("[u64; 5]"),
        "{text}"
    );
    let text = Broadcast::<u64, 4>::attach(&name).unwrap_err().to_string();
    let both = "is SeqLock<u64, 4> at byte 0 in the segment and Broadcast<u64, 4> at byte 0";
    assert!(text.contains(both), "{text}");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u32)]
enum Mode {
    Slow = 1,
    Fast = 2,
}

#[test]
fn a_value_without_zero_must_be_initialised() {
    let names = Names::new("seqlock-enum");
    let name = names.name("t");
    let error = SeqLock::<Mode>::create_with(&name, |_| {}).unwrap_err();
    assert!(matches!(error, ShmError::Uninitialized { .. }), "{error}");
    let init = |lock: &Shm<SeqLock<Mode>>| assert_eq!(lock.store(Mode::Fast).unwrap(), 1);
    let shm = SeqLock::<Mode>::create_with(&name, init).unwrap();
    // The other slots hold no value, and nobody reads them.
    assert!(shm.validate().is_ok());
    assert_eq!(shm.read().unwrap(), Mode::Fast);
    shm.update(|mode| *mode = Mode::Slow).unwrap();
    assert_eq!(*shm.read_boxed().unwrap(), Mode::Slow);
    let mut out = Mode::Fast;
    shm.read_into(&mut out).unwrap();
    assert_eq!(out, Mode::Slow);
    assert_eq!(shm.read_versioned().unwrap(), (2, Mode::Slow));
    assert_eq!(
        shm.read_with(|mode| mode.try_get().unwrap()).unwrap(),
        Mode::Slow
    );

    // A peer writes an invalid value.
    let place = shm.read_with(|mode| mode.as_ptr().cast_mut()).unwrap();
    // SAFETY: the slot of a live, writable mapping, aligned, and only accessed atomically.
    unsafe { AtomicU32::from_ptr(place.cast()) }.store(9, Relaxed);
    let found = |error: shm_core::InvalidValue| error.found();
    assert!(matches!(shm.read(), Err(ReadError::Invalid(error)) if found(error.clone()) == 9));
    assert!(matches!(shm.read_boxed(), Err(ReadError::Invalid(_))));
    // The target of a failed read still holds a value of its type.
    assert!(matches!(
        shm.read_into(&mut out),
        Err(ReadError::Invalid(_))
    ));
    assert!(matches!(out, Mode::Slow | Mode::Fast));
    assert!(shm.read_with(|mode| mode.try_get()).unwrap().is_err());
    assert!(matches!(shm.write(), Err(WriteError::Invalid(error)) if found(error.clone()) == 9));
    assert_eq!(shm.validate().unwrap_err().found(), 9);
    // The role was released, and writing a whole value does not read the old one.
    shm.store(Mode::Slow).unwrap();
    assert_eq!(shm.read().unwrap(), Mode::Slow);
}

#[test]
fn read_with_discards_an_overtaken_result() {
    let shm = Lock::create_anonymous().unwrap();
    let overtake = |times: u64| {
        for _ in 0..times {
            shm.update(|value| *value = [value[0] + 1; 8]).unwrap();
        }
    };
    let looks = Cell::new(0);
    let look = |times: u64| {
        looks.set(0);
        shm.read_with(|cell| {
            looks.set(looks.get() + 1);
            if looks.get() == 1 {
                overtake(times);
            }
            cell[0].get()
        })
        .unwrap()
    };
    // With three slots, one commit does not reach the slot that is being read, and the second may.
    let before = shm.read().unwrap()[0];
    assert_eq!((look(1), looks.get()), (before, 1));
    let before = shm.read().unwrap()[0];
    assert_eq!((look(2), looks.get()), (before + 2, 2));
    assert_eq!((look(300), looks.get()), (before + 302, 2));

    // A panic over a value that was never committed does not count either.
    looks.set(0);
    let result = shm.read_with(|cell| {
        looks.set(looks.get() + 1);
        if looks.get() < 3 {
            overtake(3);
            resume_unwind(Box::new("not whole"));
        }
        cell[1].get()
    });
    assert_eq!((result.unwrap(), looks.get()), (before + 308, 3));
    // A panic over a whole value does.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        shm.read_with(|_| resume_unwind(Box::new("whole")))
    }));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "whole");

    // A closure that is overtaken every time gets a private copy, which nobody overtakes.
    looks.set(0);
    let result = shm.read_with(|cell| {
        looks.set(looks.get() + 1);
        let first = cell[0].get();
        overtake(3);
        (first, cell.load())
    });
    let result = result.unwrap();
    assert_eq!(result.1, [result.0; 8]);
    assert!((2..100).contains(&looks.get()), "{looks:?}");
}

#[test]
fn large_sequence_lock_values_need_no_stack() {
    // 8 MiB, in a thread with a hundredth of that.
    type Large = [u64; 1 << 20];
    let work = || {
        let shm = SeqLock::<Large, 3>::create_anonymous().unwrap();
        let mut value: Box<Large> = shm.read_boxed().unwrap();
        value.fill(1);
        shm.store_from(&value).unwrap();
        let mut guard = shm.write().unwrap();
        assert!(guard.iter().all(|word| *word == 1));
        guard[77] = 2;
        guard.commit().unwrap();
        shm.update(|value| value[78] = 3).unwrap();
        shm.read_into(&mut value).unwrap();
        assert_eq!(value[76..80], [1, 2, 3, 1]);
        assert_eq!(shm.read_boxed().unwrap()[77], 2);
        // In place, and the copy after that.
        assert_eq!(shm.read_with(|value| value[78].get()).unwrap(), 3);
        let looks = Cell::new(0);
        let last = shm.read_with(|value| {
            looks.set(looks.get() + 1);
            if looks.get() <= 16 {
                let mut guard = shm.write().unwrap();
                guard[79] += 1;
                guard.publish().unwrap();
                guard.publish().unwrap();
            }
            value[79].get()
        });
        assert_eq!((looks.get(), last.unwrap()), (17, 17));
    };
    let small = std::thread::Builder::new().stack_size(80 << 10);
    small.spawn(work).unwrap().join().unwrap();
}
