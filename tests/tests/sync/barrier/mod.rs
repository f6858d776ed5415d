//! Barriers: wait returns only after all have arrived, and nobody waits for the dead.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use shm_core::sync::{Barrier, BarrierError};
use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Names, Peer, WaitSegment, next_to, no_child_starts, peer, sleeps};

mod joining;

fn attached(name: &str) -> Peer {
    peer!("waiting attach {name}")
}

/// A peer with this seat, in a round in which it has not arrived.
fn joined(name: &str, seat: usize) -> Peer {
    let mut peer = attached(name);
    assert_eq!(peer.ok("waiting meet join"), format!("{seat} false"));
    peer
}

#[test]
fn wait_returns_after_all_arrived_and_elects_one_leader() {
    const ROUNDS: u32 = 2_000;
    let names = Names::new("barrier-rounds");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut peers: Vec<Peer> = (0..3).map(|seat| joined(&name, seat)).collect();
    for peer in &mut peers {
        peer.tell(&format!("waiting meet rounds {ROUNDS}"));
    }
    let led = peers.iter_mut().map(|peer| {
        let answer = peer.hear();
        let number = answer
            .strip_prefix("ok ")
            .unwrap_or_else(|| panic!("{answer}"));
        number.parse::<u32>().unwrap()
    });
    assert_eq!(led.sum::<u32>(), ROUNDS);
    assert_eq!(shm.meet.round(), ROUNDS);
    assert_eq!(shm.wrong.load(Acquire), 0);
}

#[test]
fn a_wait_for_a_seat_dead_for_long_does_not_sleep() {
    let names = Names::new("barrier-long-dead");
    let mut least = i64::MAX;
    // The system may put a thread to sleep for reasons of its own.
    for tag in ["a", "b", "c", "d", "e"] {
        let name = names.name(tag);
        let shm = WaitSegment::create(&name).unwrap();
        let mut mine = shm.meet.join().unwrap();
        joined(&name, 1).kill();
        let before = sleeps();
        assert!(matches!(mine.wait(), Err(BarrierError::Died { seat: 1 })));
        least = least.min(sleeps() - before);
    }
    assert_eq!(least, 0);
}

#[test]
fn a_barrier_has_n_seats() {
    let names = Names::new("barrier-seats");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let reader = WaitSegment::attach_read_only(&name).unwrap();
    let (mut one, mut two, mut other) = (joined(&name, 0), joined(&name, 1), attached(&name));
    let mut mine = shm.meet.join().unwrap();
    assert_eq!((mine.number(), mine.round()), (2, 0));
    assert!(matches!(shm.meet.join(), Err(BarrierError::Full)));
    assert_eq!(other.ok("waiting meet join"), "full");
    // A seat is free when its holder has left.
    two.ok("waiting meet leave");
    assert_eq!(other.ok("waiting meet join"), "1 false");
    assert_eq!(two.ok("waiting meet join"), "full");
    assert_eq!(one.ok("waiting meet wait 0"), "timed-out");
    assert_eq!((reader.meet.round(), reader.meet.arrived()), (0, 1));
    other.tell("waiting meet wait forever");
    mine.wait().unwrap();
    assert!(["ok passed", "ok leader"].contains(&other.hear().as_str()));
    assert!(["passed", "leader"].contains(&one.ok("waiting meet wait forever").as_str()));
    assert_eq!((reader.meet.round(), reader.meet.arrived()), (1, 0));
    assert_eq!(mine.round(), 1);
    assert!(format!("{:?}", *reader.meet).contains("round: 1"));
    assert!(format!("{mine:?}").contains("round: 1"));
}

#[test]
fn a_death_before_arrival_is_reported_and_replaceable() {
    let names = Names::new("barrier-died");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let (mut one, mut two, mut victim) = (joined(&name, 0), joined(&name, 1), joined(&name, 2));
    one.tell("waiting meet wait forever");
    two.tell("waiting meet wait forever");
    victim.kill();
    // Every waiting process, and every later one.
    assert_eq!(one.hear(), "ok died 2");
    assert_eq!(two.hear(), "ok died 2");
    assert_eq!(one.ok("waiting meet wait 0"), "died 2");
    assert_eq!(shm.meet.arrived(), 2);
    // In vain at first.
    one.tell("waiting meet wait forever");
    assert_eq!(one.hear(), "ok died 2");
    let mut next = joined(&name, 2);
    one.tell("waiting meet wait forever");
    next.tell("waiting meet wait forever");
    two.tell("waiting meet wait forever");
    let mut answers = [one.hear(), two.hear(), next.hear()];
    answers.sort();
    assert_eq!(answers, ["ok leader", "ok passed", "ok passed"]);
    assert_eq!(shm.meet.round(), 1);
}

#[test]
fn a_death_after_arrival_is_reported_in_the_next_round() {
    let names = Names::new("barrier-arrived");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let (mut one, mut two, mut victim) = (joined(&name, 0), joined(&name, 1), joined(&name, 2));
    assert_eq!(victim.ok("waiting meet wait 0"), "timed-out");
    victim.kill();
    // The third is only late, and the dead one has arrived.
    assert_eq!(one.ok("waiting meet wait 70"), "timed-out");
    assert_eq!(two.ok("waiting meet wait forever"), "leader");
    assert_eq!(one.ok("waiting meet wait forever"), "passed");
    assert_eq!(one.ok("waiting meet wait forever"), "died 2");
    assert_eq!(two.ok("waiting meet wait 0"), "died 2");
    let mut mine = shm.meet.join().unwrap();
    assert!(!mine.has_arrived());
    assert!(mine.wait_timeout(Duration::ZERO).unwrap().is_leader());
    assert_eq!(one.ok("waiting meet wait forever"), "passed");
}

#[test]
fn taking_the_seat_of_an_arrived_participant_is_an_arrival() {
    let names = Names::new("barrier-inherit");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let (mut one, mut two, mut victim) = (joined(&name, 0), joined(&name, 1), joined(&name, 2));
    assert_eq!(victim.ok("waiting meet wait 0"), "timed-out");
    victim.kill();
    let mut mine = shm.meet.join().unwrap();
    assert!(mine.number() == 2 && mine.has_arrived());
    assert!(matches!(
        mine.wait_timeout(Duration::ZERO),
        Err(BarrierError::TimedOut { .. })
    ));
    // So has a process that takes the seat of one that left.
    drop(mine);
    assert_eq!(one.ok("waiting meet wait 0"), "timed-out");
    let mut mine = shm.meet.join().unwrap();
    assert!(mine.number() == 2 && mine.has_arrived());
    assert_eq!(two.ok("waiting meet wait forever"), "leader");
    assert!(!mine.wait().unwrap().is_leader());
    assert!(!mine.has_arrived());
    assert_eq!(mine.round(), 1);
}

#[test]
fn an_arrival_outlasts_its_timeout() {
    let shm = Barrier::<2>::create_anonymous().unwrap();
    let (mut one, mut two) = (shm.join().unwrap(), shm.join().unwrap());
    let (start, span) = (Instant::now(), Duration::from_millis(30));
    assert!(matches!(
        one.wait_timeout(span),
        Err(BarrierError::TimedOut { .. })
    ));
    assert!(start.elapsed() >= span);
    assert!(one.has_arrived() && shm.arrived() == 1);
    assert!(two.wait_timeout(Duration::ZERO).unwrap().is_leader());
    // The round is over, but `one` has not passed it yet; `two` cannot pass the next without it.
    assert!(matches!(
        two.wait_timeout(Duration::ZERO),
        Err(BarrierError::TimedOut { .. })
    ));
    assert!(!one.wait().unwrap().is_leader());
    assert!(one.wait().unwrap().is_leader());
    assert!(!two.wait().unwrap().is_leader());
    assert_eq!(shm.round(), 2);
}

#[test]
fn wait_includes_free_seats() {
    let names = Names::new("barrier-free");
    let name = names.name("t");
    let _shm = WaitSegment::create(&name).unwrap();
    let (mut one, mut two) = (joined(&name, 0), joined(&name, 1));
    one.tell("waiting meet wait forever");
    // The third seat is free, and then its holder leaves.
    assert_eq!(two.ok("waiting meet wait 120"), "timed-out");
    let mut third = joined(&name, 2);
    third.ok("waiting meet leave");
    assert_eq!(two.ok("waiting meet wait 120"), "timed-out");
    let mut third = joined(&name, 2);
    assert_eq!(third.ok("waiting meet wait forever"), "leader");
    assert_eq!(one.hear(), "ok passed");
}

#[test]
fn a_barrier_of_one_seat_never_waits() {
    let shm = Barrier::<1>::create_anonymous().unwrap();
    let mut seat = shm.join().unwrap();
    for round in 0..10 {
        assert_eq!(shm.round(), round);
        assert!(seat.wait().unwrap().is_leader());
    }
    drop(seat);
    assert_eq!(shm.join().unwrap().round(), 10);
}

#[test]
fn a_panic_with_a_seat_is_reported_like_a_death() {
    let shm = Barrier::<2>::create_anonymous().unwrap();
    let mut mine = shm.join().unwrap();
    let panicked = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _seat = shm.join().unwrap();
            // Without the message of an expected panic.
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        thread.join().is_err()
    });
    assert!(panicked);
    assert!(matches!(mine.wait(), Err(BarrierError::Died { seat: 1 })));
    let mut other = shm.join().unwrap();
    assert!(other.wait_timeout(DEADLINE).unwrap().is_leader());
    assert!(!mine.wait().unwrap().is_leader());
    // The death is no longer reported when its successor has left normally.
    drop(other);
    let late = mine.wait_timeout(Duration::from_millis(5));
    assert!(
        matches!(late, Err(BarrierError::TimedOut { .. })),
        "{late:?}"
    );
}

#[test]
fn a_forgotten_seat_dies_with_its_handle() {
    let names = Names::new("barrier-forgotten");
    let name = names.name("t");
    let shm = Barrier::<2>::create(&name).unwrap();
    let leaving = Barrier::<2>::attach(&name).unwrap();
    std::mem::forget(leaving.join().unwrap());
    let mut mine = shm.join().unwrap();
    let _no_copies = no_child_starts();
    drop(leaving);
    let reported = mine.wait_timeout(DEADLINE);
    assert!(
        matches!(reported, Err(BarrierError::Died { seat: 0 })),
        "{reported:?}"
    );
}

#[test]
fn a_seat_stays_the_parents_after_fork() {
    let names = Names::new("barrier-fork");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut mine = shm.meet.join().unwrap();
    let (mut parent, mut third) = (joined(&name, 1), joined(&name, 2));
    // Dropping the inherited seat does not leave the barrier.
    parent.ok("waiting meet fork-leave");
    assert!(matches!(shm.meet.join(), Err(BarrierError::Full)));
    assert_eq!(parent.ok("waiting meet wait 0"), "timed-out");

    // From here on the child answers, and the parent only lives.
    parent.ok("fork-continue");
    assert_eq!(parent.ok("waiting meet wait 0"), "not-owner");
    assert_eq!(third.ok("waiting meet wait 0"), "timed-out");
    assert!(mine.wait().unwrap().is_leader());
    third.ok("waiting meet wait forever");
    third.ok("waiting meet leave");
    // The child joins separately; the round waits for the parent, which has not arrived.
    assert_eq!(parent.ok("waiting meet join"), "2 false");
    assert_eq!(parent.ok("waiting meet wait 0"), "timed-out");
    assert!(matches!(
        mine.wait_timeout(Duration::from_millis(5)),
        Err(BarrierError::TimedOut { .. })
    ));
    // Kills the parent; its child lives on, and does not keep its seat.
    parent.kill();
    let reported = mine.wait_timeout(DEADLINE);
    assert!(
        matches!(reported, Err(BarrierError::Died { seat: 1 })),
        "{reported:?}"
    );
    let mut next = shm.meet.join().unwrap();
    assert!(next.wait_timeout(DEADLINE).unwrap().is_leader());
}

#[test]
fn wait_includes_stopped_processes_and_exec_is_a_death() {
    let names = Names::new("barrier-exec");
    let name = names.name("t");
    let _shm = WaitSegment::create(&name).unwrap();
    let (mut one, mut stopped, mut third) = (joined(&name, 0), joined(&name, 1), joined(&name, 2));
    assert_eq!(third.ok("waiting meet wait 0"), "timed-out");
    stopped.stop();
    assert_eq!(one.ok("waiting meet wait 120"), "timed-out");
    stopped.kill();
    let mut next = {
        assert_eq!(one.ok("waiting meet wait 0"), "died 1");
        joined(&name, 1)
    };
    next.tell("waiting meet exec");
    assert_eq!(next.hear(), "executing");
    // The other program echoes its input: it is running.
    assert_eq!(next.ask("are you there"), "are you there");
    assert_eq!(one.ok("waiting meet wait 0"), "died 1");
    next.end();
}

#[test]
fn signals_affect_neither_barrier_timeout_nor_report() {
    let names = Names::new("barrier-signals");
    let name = names.name("t");
    let _shm = WaitSegment::create(&name).unwrap();
    let (mut one, mut victim, mut third) = (joined(&name, 0), joined(&name, 1), joined(&name, 2));
    one.ok("claims timer");
    let start = Instant::now();
    assert_eq!(one.ok("waiting meet wait 100"), "timed-out");
    assert!(start.elapsed() >= Duration::from_millis(100));
    one.tell("waiting meet wait forever");
    assert_eq!(third.ok("waiting meet wait 0"), "timed-out");
    victim.kill();
    assert_eq!(one.hear(), "ok died 1");
}

#[test]
fn barriers_can_be_elements_and_fields() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Inner {
        meet: Barrier<5>,
        number: u32,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Many {
        inner: Inner,
        barriers: [Barrier<2>; 3],
        _pad: u32,
    }
    assert_eq!(<Barrier<5>>::SIZE, 48);
    let many = Many::create_anonymous().unwrap();
    assert_eq!(many.inner.number.get(), 0);
    let meet = &many.barriers[2];
    shm_tests::scope(|scope| {
        for _ in 0..2 {
            scope.start(|| {
                let mut seat = meet.join().unwrap();
                for _ in 0..100 {
                    seat.wait().unwrap();
                }
            });
        }
    });
    assert_eq!((meet.round(), many.inner.meet.round()), (100, 0));
    // A seat can move to another thread.
    let mut seat = many.inner.meet.join().unwrap();
    let late = std::thread::scope(|scope| {
        let wait = || seat.wait_timeout(Duration::ZERO).is_err();
        scope.spawn(wait).join().unwrap()
    });
    assert!(late);
}

/// All words of a barrier of two, which is its whole segment.
fn words(shm: &Shm<Barrier<2>>) -> [&AtomicU32; 6] {
    std::array::from_fn(|number| {
        let start: *mut u32 = shm.as_ptr().cast_mut().cast();
        // SAFETY: a barrier of two has six words.
        let word = unsafe { start.add(number) };
        // SAFETY: aligned, mapped as long as the handle, and only accessed atomically.
        unsafe { AtomicU32::from_ptr(word) }
    })
}

#[test]
fn the_round_counter_wraps() {
    let shm = Barrier::<2>::create_anonymous().unwrap();
    let last = u32::MAX / 2;
    words(&shm)[0].store((last - 1) << 1, Release);
    shm_tests::scope(|scope| {
        for _ in 0..2 {
            scope.start(|| {
                let mut seat = shm.join().unwrap();
                for round in [last - 1, last, 0, 1] {
                    assert_eq!(seat.round(), round);
                    assert!(!seat.has_arrived());
                    seat.wait().unwrap();
                }
            });
        }
    });
    assert_eq!(shm.round(), 2);
}

#[test]
fn random_words_in_a_barrier_end_every_wait() {
    let shm = Barrier::<2>::create_anonymous().unwrap();
    let words = words(&shm);
    next_to(
        |random| {
            let value = random.next_number();
            let word = words[(value >> 33) as usize % words.len()];
            // Ids of living processes and nearby rounds, or any number.
            match value >> 50 & 7 {
                0 => word.store(value as u32, Release),
                1 => word.store(value as u32 & 0xC000_0003, Release),
                2 | 3 => word.store(value as u32 & 7, Release),
                4..=6 => word.store(0, Release),
                _ => random.spin(),
            }
        },
        || {
            let mut tally = [0_u32; 5];
            // Rarely do both seats seem taken, or is the caller's seat overwritten in time.
            let enough = |tally: &[u32; 5]| tally[1..4].iter().all(|count| *count >= 10);
            let start = Instant::now();
            while !enough(&tally) && start.elapsed() < DEADLINE {
                let joined = shm.join();
                let joined = joined.or_else(|_| shm.join_timeout(Duration::from_micros(200)));
                let Ok(mut seat) = joined else {
                    tally[0] += 1;
                    continue;
                };
                for timeout in [Duration::ZERO, Duration::from_micros(200)] {
                    match seat.wait_timeout(timeout) {
                        Ok(_) => tally[1] += 1,
                        Err(BarrierError::Died { .. }) => tally[2] += 1,
                        Err(BarrierError::TimedOut { .. }) => tally[3] += 1,
                        Err(BarrierError::NotOwner) => tally[4] += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                let _ = (shm.arrived(), shm.round(), seat.has_arrived());
            }
            assert!(enough(&tally), "{tally:?}");
        },
    );
    for word in words {
        word.store(0, Release);
    }
    let (mut one, mut two) = (shm.join().unwrap(), shm.join().unwrap());
    assert!(one.wait_timeout(Duration::ZERO).is_err());
    assert!(two.wait_timeout(Duration::ZERO).unwrap().is_leader());
}

#[test]
fn every_barrier_error_gives_advice() {
    let shm = Barrier::<2>::create_anonymous().unwrap();
    let (mut seat, _other) = (shm.join().unwrap(), shm.join().unwrap());
    let late = seat.wait_timeout(Duration::ZERO).unwrap_err();
    let errors = [
        (BarrierError::Full, "drops it"),
        (BarrierError::Died { seat: 3 }, "seat 3"),
        (
            BarrierError::TimedOut {
                seat: 3,
                owner: None,
            },
            "let a participant join",
        ),
        (late, "in seat 1 had not arrived"),
        (BarrierError::NotOwner, "has to `join`"),
    ];
    for (error, text) in errors {
        assert!(error.to_string().contains(text), "{error}");
        assert!(std::error::Error::source(&error).is_none());
    }
}
