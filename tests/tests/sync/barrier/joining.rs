//! Waiting for a seat.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::{Barrier, BarrierError};
use shm_tests::{DEADLINE, Names, WaitSegment};

use super::{attached, joined, words};

#[test]
fn join_timeout_waits_for_a_seat() {
    let names = Names::new("barrier-join");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let (_one, mut victim, mut leaving) = (joined(&name, 0), joined(&name, 1), joined(&name, 2));
    let (start, span) = (Instant::now(), Duration::from_millis(20));
    assert!(matches!(
        shm.meet.join_timeout(span),
        Err(BarrierError::Full)
    ));
    assert!(start.elapsed() >= span);
    assert!(matches!(
        shm.meet.join_timeout(Duration::ZERO),
        Err(BarrierError::Full)
    ));
    std::thread::scope(|scope| {
        let join = || shm.meet.join_timeout(DEADLINE).unwrap();
        let seat = scope.spawn(join);
        victim.kill();
        let seat = seat.join().unwrap();
        assert_eq!(seat.number(), 1);
        let other = scope.spawn(join);
        leaving.ok("waiting meet leave");
        assert_eq!(other.join().unwrap().number(), 2);
    });
}

/// How often sleepers were woken for a seat, and whether a process has announced that it may sleep.
fn wake_ups(left: &AtomicU32) -> (u32, bool) {
    let word = left.load(Acquire);
    // The count of wake-ups begins at bit 2.
    (word >> 2, word & 1 != 0)
}

#[test]
fn a_leaving_participant_wakes_a_waiting_join() {
    let shm = Barrier::<2>::create_anonymous().unwrap();
    let left = words(&shm)[1];
    let mut seats = [shm.join().unwrap(), shm.join().unwrap()].map(Some);
    for round in 0..6 {
        let leaving = round as usize % 2;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| shm.join_timeout(DEADLINE).unwrap());
            let start = Instant::now();
            while !wake_ups(left).1 {
                assert!(start.elapsed() < DEADLINE);
                std::thread::yield_now();
            }
            let seat = seats[leaving].take().unwrap();
            // However it leaves.
            if round < 3 {
                drop(seat);
            } else {
                let panicking = scope.spawn(move || {
                    let _seat = seat;
                    std::panic::resume_unwind(Box::new("on purpose"));
                });
                assert!(panicking.join().is_err());
            }
            assert_eq!(wake_ups(left).0, round + 1);
            let seat = waiting.join().unwrap();
            assert_eq!(seat.number(), leaving);
            seats[leaving] = Some(seat);
        });
    }
    // Without waiters nobody is woken; a process that found a seat may have left its announcement.
    drop(seats);
    let woken = wake_ups(left);
    drop(shm.join().unwrap());
    assert_eq!((wake_ups(left), woken.1), (woken, false));
}

#[test]
fn a_seat_dropped_by_a_fork_child_stays_taken() {
    let names = Names::new("barrier-join-fork");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let (mut parent, _other) = (joined(&name, 0), joined(&name, 1));
    let _mine = shm.meet.join().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| shm.meet.join_timeout(DEADLINE).unwrap());
        parent.ok("waiting meet fork-leave");
        assert!(!waiting.is_finished());
        parent.ok("waiting meet leave");
        assert_eq!(waiting.join().unwrap().number(), 0);
    });
}

#[test]
fn many_waiting_joins_all_get_a_seat() {
    const TIMES: u32 = 300;
    let names = Names::new("barrier-join-many");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    // One seat for all, so that all wait.
    let _others = [shm.meet.join().unwrap(), shm.meet.join().unwrap()];
    let mut peers: Vec<_> = (0..3).map(|_| attached(&name)).collect();
    for peer in &mut peers {
        peer.tell(&format!("waiting meet take-turns {TIMES}"));
    }
    let inside = AtomicU32::new(0);
    shm_tests::scope(|scope| {
        for _ in 0..3 {
            scope.start(|| {
                for _ in 0..TIMES {
                    let seat = shm.meet.join_timeout(DEADLINE).unwrap();
                    assert_eq!(inside.fetch_add(1, AcqRel), 0);
                    shm.count.set(shm.count.get() + 1);
                    inside.fetch_sub(1, AcqRel);
                    drop(seat);
                }
            });
        }
    });
    for peer in &mut peers {
        assert_eq!(peer.hear(), "ok ");
    }
    assert_eq!(shm.count.get(), u64::from(6 * TIMES));
}

#[test]
fn a_process_killed_in_join_takes_no_seat() {
    let names = Names::new("barrier-join-killed");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut seats = [(); 3].map(|()| Some(shm.meet.join().unwrap()));
    for seat in &mut seats {
        let mut peer = attached(&name);
        peer.tell(&format!("waiting meet take-turns {}", u32::MAX));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| shm.meet.join_timeout(DEADLINE).unwrap());
            drop(seat.take());
            // By now it holds the seat, or waits for it.
            peer.kill();
            *seat = Some(waiting.join().unwrap());
        });
        let none = shm.meet.join_timeout(Duration::from_millis(1));
        assert!(matches!(none, Err(BarrierError::Full)));
    }
}
