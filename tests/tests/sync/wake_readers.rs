//! Waking readers that cannot announce that they sleep.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering::Acquire};

use shm_core::sync::{Broadcast, BroadcastSender, Event, SeqLock};
use shm_core::{Access, ReadOnly, Shm, ShmLayout};
use shm_tests::{Block, DEADLINE, Names, Peer, SmallValue, peer, step};

type Queue = Broadcast<SmallValue, 5>;

/// Where read-only readers of each type sleep, from the start of the segment's payload.
const CHANGED: usize = 4;
const ARRIVED: usize = 8;
const GENERATION: usize = 0;

fn word<T: ShmLayout, A: Access>(shm: &Shm<T, A>, at: usize) -> &AtomicU32 {
    // SAFETY: the word is inside the payload, which is mapped as long as the handle is borrowed.
    let word = unsafe { shm.as_ptr().add(at) };
    // SAFETY: it is aligned, and only accessed atomically.
    unsafe { AtomicU32::from_ptr(word.cast_mut().cast()) }
}

/// Sleeps on the word until a wake-up comes, as a reader would that never polls. `false` if none does.
fn is_woken(word: &AtomicU32) -> bool {
    let timeout = libc::timespec {
        tv_sec: DEADLINE.as_secs().cast_signed(),
        tv_nsec: 0,
    };
    loop {
        let seen = word.load(Acquire);
        // SAFETY: the word and the timeout outlive the call, and the kernel only reads them.
        let slept = unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT,
                seen,
                &raw const timeout,
            )
        };
        match slept {
            0 => return true,
            _ if nix::errno::Errno::last_raw() == libc::ETIMEDOUT => return false,
            // It has changed before the sleep.
            _ => {}
        }
    }
}

/// Whether a reader that sleeps on the word is woken by `change`, which may be called more than once.
fn wakes(word: &AtomicU32, mut change: impl FnMut()) -> bool {
    std::thread::scope(|scope| {
        let sleeper = step::spawn_until_asleep(scope, || is_woken(word));
        while !sleeper.is_finished() {
            change();
            std::thread::yield_now();
        }
        sleeper.join().unwrap()
    })
}

#[test]
fn writers_by_descriptor_wake_readers_without_being_asked() {
    let shm = Event::options()
        .wake_readers(true)
        .create_anonymous()
        .unwrap();
    let fd = || shm.as_fd().try_clone_to_owned().unwrap();
    let reader = Event::options().from_fd_read_only(fd()).unwrap();
    // The segment's option counts.
    let writer = Event::options().from_fd(fd()).unwrap();
    assert!(wakes(word(&reader, GENERATION), || writer.notify_all()));
}

#[test]
fn writers_wake_read_only_readers_without_being_asked() {
    let names = Names::new("wake-readers");
    let [lock, queue, event] = ["lock", "queue", "event"].map(|tag| names.name(tag));
    let _lock = SeqLock::<Block>::options()
        .wake_readers(true)
        .create(&lock)
        .unwrap();
    let _queue = Queue::options().wake_readers(true).create(&queue).unwrap();
    let event_shm = Event::options().wake_readers(true).create(&event).unwrap();
    // The writers attach with other options: the segment's count.
    let reader = SeqLock::<Block>::attach_read_only(&lock).unwrap();
    let mut writer = peer!("seqlock attach {lock}");
    let store = |writer: &mut Peer| writer.ok("seqlock store 7");
    assert!(wakes(word(&reader, CHANGED), || drop(store(&mut writer))));
    writer.ok("fork-continue");
    assert!(wakes(word(&reader, CHANGED), || drop(store(&mut writer))));
    // Kills the parent, which does not end otherwise.
    writer.kill();

    let reader = Queue::attach_read_only(&queue).unwrap();
    let mut sender = peer!("broadcast attach {queue}");
    assert!(wakes(word(&reader, ARRIVED), || {
        // A sender that joins and leaves wakes, too.
        sender.ok("broadcast sender");
        sender.ok("broadcast leave");
    }));
    sender.ok("broadcast sender");
    assert!(wakes(word(&reader, ARRIVED), || {
        sender.ok("broadcast send 7");
    }));

    let reader = Event::attach_read_only(&event).unwrap();
    event_shm.take_part().unwrap();
    let other = Event::attach(&event).unwrap();
    assert!(wakes(word(&reader, GENERATION), || other.notify_all()));
    assert!(wakes(word(&reader, GENERATION), || other.notify_one()));
}

/// By how much each of many changes advances the eventcount's word, on which nobody sleeps: the number of times that it was by
/// nothing, and by a wake-up.
fn advances<T: ShmLayout, S>(
    wake: bool,
    at: usize,
    begin: impl FnOnce(&'static Shm<T>) -> S,
    mut change: impl FnMut(&mut S, u64),
) -> [u64; 2] {
    let shm = T::options().wake_readers(wake).create_anonymous().unwrap();
    let shm: &Shm<T> = Box::leak(Box::new(shm));
    let mut state = begin(shm);
    let mut counts = [0; 2];
    for number in 0..CHANGES {
        let before = word(shm, at).load(Acquire);
        change(&mut state, number);
        match word(shm, at).load(Acquire) - before {
            0 => counts[0] += 1,
            // The count of wake-ups begins at bit 2.
            4 => counts[1] += 1,
            other => panic!("{other}"),
        }
    }
    counts
}

const CHANGES: u64 = 100_000;

#[test]
fn unasked_wake_ups_change_the_word_and_are_few() {
    let commits = |wake| {
        let store = |shm: &mut &Shm<SeqLock<u64>>, number| {
            shm.store(number).unwrap();
        };
        advances::<SeqLock<u64>, _>(wake, CHANGED, |shm| shm, store)
    };
    let messages = |wake| {
        let send = |sender: &mut BroadcastSender<'_, u64, 2>, number| sender.send(number).unwrap();
        let join = |shm: &'static Shm<Broadcast<u64, 2>>| shm.sender().unwrap();
        advances::<Broadcast<u64, 2>, _>(wake, ARRIVED, join, send)
    };
    for counts in [commits(true), messages(true)] {
        let [quiet, woken] = counts;
        assert!(woken > 0 && woken < quiet, "{counts:?}");
    }
    assert_eq!([commits(false), messages(false)], [[CHANGES, 0]; 2]);
}

#[test]
fn a_reader_whose_wake_up_is_swallowed_polls() {
    let names = Names::new("wake-readers-burst");
    let name = names.name("t");
    let shm = SeqLock::<u64>::options()
        .wake_readers(true)
        .create(&name)
        .unwrap();
    let reader = SeqLock::<u64>::attach_read_only(&name).unwrap();
    for burst in 0..50 {
        let last = (burst + 1) * 1000;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut seen = reader.version();
                while seen < last {
                    seen = reader.wait_newer(seen, DEADLINE).unwrap();
                }
                reader.read().unwrap()
            });
            (burst * 1000 + 1..=last).for_each(|value| drop(shm.store(value)));
            assert_eq!(waiting.join().unwrap(), last);
        });
    }
}

#[test]
fn the_option_makes_no_participants_of_a_type_without_locks() {
    let names = Names::new("wake-readers-event");
    let name = names.name("t");
    let shm = Event::options().wake_readers(true).create(&name).unwrap();
    let _other: Shm<Event, ReadOnly> = Event::attach_read_only(&name).unwrap();
    shm.take_part().unwrap();
    assert_eq!(shm_tests::lock_bytes::next_participant(&name), 1);
}
