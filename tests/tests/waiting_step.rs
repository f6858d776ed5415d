//! A process killed after each k-th instruction of notifying, posting, taking, joining, leaving and meeting: who waits gets on, and
//! nothing is counted twice.
//!
//! The long form looks at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::time::Duration;

use shm_core::sync::BarrierError;
use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Names, Peer, Waiting, peer, step};

/// Has a peer run `what` and kills it at every `stride`-th instruction, until it gets to the end. `around` is called for each
/// with what kills, which says whether the peer was killed.
fn at_every(what: &str, stride: usize, mut around: impl FnMut(&Shm<Waiting>, &dyn Fn() -> bool)) {
    let names = Names::new(what);
    let name = names.name("t");
    let shm = Waiting::create(&name).unwrap();
    let mut instruction = 0;
    let mut over = false;
    while !over {
        let killed = std::cell::Cell::new(true);
        around(&shm, &|| {
            let mut peer: Peer = peer!();
            peer.ok(&format!("waiting attach {name}"));
            killed.set(step::kill_at(
                peer,
                &format!("waiting round {what}"),
                instruction,
            ));
            killed.get()
        });
        over = !killed.get();
        instruction += stride;
    }
    println!("{what}: {instruction} instructions");
    assert!(instruction > stride);
}

/// Who sleeps on an event while a peer notifies and is killed.
fn notify(what: &str, stride: u64) {
    let (mut counted, mut not) = (0, 0);
    at_every(what, step::stride(stride), |shm, kill| {
        let before = shm.event.generation();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| shm.event.wait(before, DEADLINE));
            let killed = kill();
            let after = shm.event.generation();
            if after == before {
                assert!(killed);
                not += 1;
                shm.event.notify_one();
            } else {
                counted += 1;
            }
            // If the peer was killed before it woke, the sleeper looks for itself.
            assert_eq!(sleeper.join().unwrap(), Ok(before + 1));
        });
        assert_eq!(shm.event.generation(), before + 1);
        assert!(shm.event.wait(before + 1, Duration::ZERO).is_err());
    });
    println!("{counted} counted, {not} not");
    assert!(counted > 0 && not > 0, "{counted} {not}");
}

#[test]
fn killed_at_any_instruction_of_notifying_nobody_is_left_asleep() {
    notify("notify-one", 11);
    notify("notify-all", 11);
}

#[test]
fn killed_at_any_instruction_of_waiting_for_an_event_nobody_else_is_disturbed() {
    at_every("event-wait", step::stride(151), |shm, kill| {
        let before = shm.event.generation();
        kill();
        assert_eq!(shm.event.generation(), before);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| shm.event.wait(before, DEADLINE));
            shm.event.notify_one();
            assert_eq!(sleeper.join().unwrap(), Ok(before + 1));
        });
    });
}

#[test]
fn killed_at_any_instruction_of_posting_a_permit_is_there_or_is_not() {
    let (mut posted, mut not) = (0, 0);
    at_every("post", step::stride(11), |shm, kill| {
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| shm.permits.wait_timeout(DEADLINE));
            // There is a permit for the sleeper in any case, and one more if the peer got as far as that.
            kill();
            shm.permits.post().unwrap();
            sleeper.join().unwrap().unwrap();
        });
        match shm.permits.value() {
            0 => not += 1,
            1 => posted += 1,
            value => panic!("{value}"),
        }
        while shm.permits.try_wait() {}
    });
    println!("{posted} posted, {not} not");
    assert!(posted > 0 && not > 0, "{posted} {not}");
}

/// Has a peer run `what` beside one that posts after each of its instructions, and so is quicker every time. Returns the
/// answer, and how many permits are there that were not posted so.
fn beset(what: &str) -> (String, i64) {
    let names = Names::new(&format!("beset-{what}"));
    let name = names.name("t");
    let shm = Waiting::create(&name).unwrap();
    shm.permits.post().unwrap();
    let mut peer: Peer = peer!();
    peer.ok(&format!("waiting attach {name}"));
    let mut posted = 1;
    let instructions = step::beset(&mut peer, &format!("waiting round {what}"), || {
        shm.permits.post().unwrap();
        posted += 1;
    });
    println!("{what}, beset: {instructions} instructions");
    (peer.hear(), i64::from(shm.permits.value()) - posted)
}

#[test]
fn who_posts_beside_one_that_is_always_quicker_has_posted_in_the_end() {
    assert_eq!(beset("post"), ("ok ".to_owned(), 1));
}

#[test]
fn who_takes_beside_one_that_is_always_quicker_goes_without_in_the_end() {
    assert_eq!(beset("try-take"), ("ok false".to_owned(), 0));
}

#[test]
fn killed_at_any_instruction_of_taking_a_permit_is_taken_or_is_not() {
    let (mut taken, mut not) = (0, 0);
    at_every("take", step::stride(7), |shm, kill| {
        shm.permits.post_many(2).unwrap();
        kill();
        match shm.permits.value() {
            1 => taken += 1,
            2 => not += 1,
            value => panic!("{value}"),
        }
        while shm.permits.try_wait() {}
    });
    println!("{taken} taken, {not} not");
    assert!(taken > 0 && not > 0, "{taken} {not}");
}

#[test]
fn killed_at_any_instruction_of_waiting_for_a_permit_none_is_lost() {
    at_every("take-nothing", step::stride(151), |shm, kill| {
        kill();
        assert_eq!(shm.permits.value(), 0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| shm.permits.wait_timeout(DEADLINE));
            shm.permits.post().unwrap();
            sleeper.join().unwrap().unwrap();
        });
        assert_eq!(shm.permits.value(), 0);
    });
}

#[test]
fn killed_at_any_instruction_of_joining_the_seat_can_be_taken() {
    at_every("join", step::stride(31), |shm, kill| {
        let _others = [shm.meet.join().unwrap(), shm.meet.join().unwrap()];
        kill();
        let seat = shm.meet.join().unwrap();
        assert!(seat.number() == 2 && !seat.has_arrived());
        assert!(matches!(shm.meet.join(), Err(BarrierError::Full)));
    });
}

#[test]
fn killed_at_any_instruction_of_leaving_who_waits_gets_the_seat() {
    let mut left = 0;
    at_every("leave", step::stride(7), |shm, kill| {
        let others = [shm.meet.join().unwrap(), shm.meet.join().unwrap()];
        let before = shm.count.get();
        let killed = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                while shm.count.get() == before {
                    std::thread::yield_now();
                }
                shm.meet.join_timeout(DEADLINE).unwrap()
            });
            let killed = kill();
            assert_eq!(waiting.join().unwrap().number(), 2);
            killed
        });
        left += usize::from(!killed);
        drop(others);
    });
    assert_eq!(left, 1);
}

/// A peer meets two that have arrived before, and is killed. One of them sleeps meanwhile, or nobody looks.
fn meet(stride: u64, asleep: bool) -> (usize, usize) {
    let (mut passed, mut told, mut led) = (0, 0, 0);
    at_every("meet", step::stride(stride), |shm, kill| {
        let round = shm.meet.round();
        let (mut one, mut two) = (shm.meet.join().unwrap(), shm.meet.join().unwrap());
        assert!(one.wait_timeout(Duration::ZERO).is_err());
        assert!(two.wait_timeout(Duration::ZERO).is_err());
        let (killed, result) = std::thread::scope(|scope| {
            let mut wait = || two.wait_timeout(DEADLINE);
            if asleep {
                let sleeper = scope.spawn(wait);
                (kill(), sleeper.join().unwrap())
            } else {
                (kill(), wait())
            }
        });
        match result {
            Ok(result) => {
                passed += 1;
                led += usize::from(result.is_leader());
                assert!(!one.wait_timeout(DEADLINE).unwrap().is_leader());
                assert_eq!(shm.meet.round(), round + 1);
            }
            Err(BarrierError::Died { seat: 2 }) => {
                assert!(killed);
                told += 1;
                assert_eq!(shm.meet.round(), round);
                let mut three = shm.meet.join().unwrap();
                assert!(!three.has_arrived());
                assert!(three.wait_timeout(DEADLINE).unwrap().is_leader());
                assert!(!one.wait_timeout(DEADLINE).unwrap().is_leader());
                assert!(!two.wait_timeout(DEADLINE).unwrap().is_leader());
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(two.round(), one.round());
        // Or the next one to sleep might be told of the one that was killed now.
        drop(shm.meet.join().unwrap());
        drop((one, two));
        // Everybody has left, and nobody has arrived in the next round.
        assert_eq!((shm.meet.round(), shm.meet.arrived()), (round + 1, 0));
    });
    println!("{passed} passed, {led} of them completed by a survivor, {told} deaths told of");
    assert!(passed > 0 && told > 0, "{passed} {told}");
    (passed, led)
}

#[test]
fn killed_at_any_instruction_of_meeting_the_round_is_passed_once_or_the_death_is_told_of() {
    let (_, led) = meet(23, true);
    assert!(led > 0);
    // The peer itself completes the round, unless it is killed between arriving and that.
    let (passed, led) = meet(31, false);
    assert!(led < passed, "{led} {passed}");
}
