//! Looking disturbs nothing: the command looks at each type of `sync` while threads use it at full speed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;
use shm_core::ShmLayout;
use shm_core::sync::broadcast::TryRecvError;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};
use shm_tests::{Names, scope};

use crate::common::shm;

/// How often the command looks.
const LOOKS: usize = 8;

/// Raised at the end of a test, also of one that fails.
struct Stop(AtomicBool);

impl Stop {
    fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct StopOnDrop<'a>(&'a Stop);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Looks several times, and calls `check` with what `show` says of the segment, which is of one type of `sync`.
fn look(name: &str, stop: &Stop, mut check: impl FnMut(&Value, &Value)) {
    let _stop = StopOnDrop(stop);
    for _ in 0..LOOKS {
        let shown = shm(["show", name, "--json", "--full"]).code(0);
        let shown: Value = serde_json::from_str(&shown.out).unwrap();
        assert_eq!(shown["errors"], serde_json::json!({}), "{shown}");
        check(&shown["value"], &shown["sync"]["."]);
        shm(["ls", name]).code(0);
    }
}

#[test]
fn a_ring_loses_no_message() {
    let names = Names::new("look-ring");
    let name = names.name("x");
    let ring = Ring::<u64, 64>::create(&name).unwrap();
    let stop = Stop(AtomicBool::new(false));
    let received = scope(|threads| {
        threads.spawn(|| {
            let mut sender = ring.sender().unwrap();
            let mut number = 0_u64;
            while !stop.is_raised() {
                number += u64::from(sender.try_send(number).is_ok());
            }
        });
        let receiver = threads.spawn(|| {
            let mut receiver = ring.receiver().unwrap();
            let mut next = 0_u64;
            while !stop.is_raised() {
                if let Ok(number) = receiver.try_recv() {
                    assert_eq!(number, next);
                    next += 1;
                }
            }
            next
        });
        look(&name, &stop, |_, state| {
            let [sent, received] = ["sent", "received"].map(|of| state[of].as_u64().unwrap());
            assert!(received <= sent, "{state}");
            assert_eq!(state["capacity"], 64);
        });
        receiver.join().unwrap()
    });
    assert!(received > 0);
}

#[test]
fn a_broadcast_loses_no_message() {
    let names = Names::new("look-broadcast");
    let name = names.name("x");
    let broadcast = Broadcast::<[u64; 4], 64>::create(&name).unwrap();
    let stop = Stop(AtomicBool::new(false));
    // The receiver keeps up, so any message that is lost is lost to the command.
    let seen = AtomicU64::new(0);
    scope(|threads| {
        threads.spawn(|| {
            let mut sender = broadcast.sender().unwrap();
            let mut number = 0_u64;
            while !stop.is_raised() {
                if number < seen.load(Ordering::Acquire) + 32 {
                    sender.send([number; 4]).unwrap();
                    number += 1;
                }
            }
        });
        threads.spawn(|| {
            let mut receiver = broadcast.receiver_from_oldest();
            let mut next = 0_u64;
            while !stop.is_raised() {
                match receiver.try_recv() {
                    Ok(message) => {
                        assert_eq!(message, [next; 4]);
                        next += 1;
                        seen.store(next, Ordering::Release);
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        look(&name, &stop, |value, _| {
            // Each message is whole, or was overwritten meanwhile.
            for message in value.as_array().into_iter().flatten() {
                let numbers = message.as_array().unwrap();
                assert!(numbers.iter().all(|of| of == &numbers[0]), "{value}");
            }
        });
    });
    assert!(seen.into_inner() > 0);
}

#[test]
fn a_seqlock_is_shown_as_it_was_committed() {
    let names = Names::new("look-seqlock");
    let name = names.name("x");
    let lock = SeqLock::<[u64; 32]>::create(&name).unwrap();
    let stop = Stop(AtomicBool::new(false));
    let mut last = 0;
    let commits = scope(|threads| {
        let writer = threads.spawn(|| {
            let mut number = 0;
            while !stop.is_raised() {
                number += 1;
                lock.store([number; 32]).unwrap();
            }
            number
        });
        look(&name, &stop, |value, state| {
            let numbers = value.as_array().unwrap();
            assert!(
                numbers.iter().all(|number| number == &numbers[0]),
                "{value}"
            );
            let version = state["version"].as_u64().unwrap();
            assert!(version >= last, "{state}");
            last = version;
        });
        writer.join().unwrap()
    });
    assert_eq!(lock.read_versioned().unwrap(), (commits, [commits; 32]));
}

#[test]
fn a_mutex_is_never_taken() {
    let names = Names::new("look-mutex");
    let name = names.name("x");
    let counter = Mutex::<u64>::create(&name).unwrap();
    let stop = Stop(AtomicBool::new(false));
    let total: u64 = scope(|threads| {
        let workers = [(), ()].map(|()| {
            threads.spawn(|| {
                let mut count = 0;
                while !stop.is_raised() {
                    let guard = counter.lock().unwrap();
                    guard.set(guard.get() + 1);
                    count += 1;
                }
                count
            })
        });
        look(&name, &stop, |_, state| {
            if let Some(pid) = state["owner"]["pid"].as_u64() {
                assert_eq!(pid, u64::from(std::process::id()), "{state}");
            }
            assert_eq!(state["poisoned"], false);
        });
        workers.map(|worker| worker.join().unwrap()).iter().sum()
    });
    assert_eq!(counter.lock().unwrap().get(), total);
}

#[test]
fn permits_and_notifications_are_all_kept() {
    #[derive(ShmLayout)]
    #[shm(padding)]
    #[repr(C)]
    struct Counts {
        slots: Semaphore,
        event: Event,
    }

    let names = Names::new("look-counts");
    let name = names.name("x");
    let shm = Counts::create(&name).unwrap();
    let stop = Stop(AtomicBool::new(false));
    let (posted, taken) = scope(|threads| {
        let poster = threads.spawn(|| {
            let mut posted = 0_u64;
            while !stop.is_raised() {
                if shm.slots.value() < 100 {
                    shm.slots.post().unwrap();
                    posted += 1;
                }
                shm.event.notify_all();
            }
            posted
        });
        let taker = threads.spawn(|| {
            let mut taken = 0_u64;
            while !stop.is_raised() {
                taken += u64::from(shm.slots.try_wait());
            }
            taken
        });
        let mut last = 0;
        look(&name, &stop, |value, _| {
            assert!(value.is_object());
            let generation = shm.event.generation();
            assert!(generation >= last);
            last = generation;
        });
        (poster.join().unwrap(), taker.join().unwrap())
    });
    assert_eq!(posted - taken, u64::from(shm.slots.value()));
}

#[test]
fn a_barrier_misses_no_round() {
    let names = Names::new("look-barrier");
    let name = names.name("x");
    let barrier = Barrier::<2>::create(&name).unwrap();
    let stop = Stop(AtomicBool::new(false));
    let is_last = AtomicBool::new(false);
    let rounds = scope(|threads| {
        let workers = [(), ()].map(|()| {
            threads.spawn(|| {
                let mut seat = barrier.join().unwrap();
                let mut rounds = 0_u32;
                loop {
                    if seat.wait().unwrap().is_leader() {
                        is_last.store(stop.is_raised(), Ordering::Relaxed);
                    }
                    seat.wait().unwrap();
                    rounds += 2;
                    if is_last.load(Ordering::Relaxed) {
                        return rounds;
                    }
                }
            })
        });
        look(&name, &stop, |_, state| {
            for seat in state["seats"].as_array().unwrap() {
                let pid = &seat["pid"];
                assert!(pid.is_null() || pid == std::process::id(), "{state}");
            }
        });
        workers.map(|worker| worker.join().unwrap())
    });
    assert_eq!(rounds, [barrier.round(); 2]);
}
