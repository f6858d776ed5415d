//! A process is killed after each k-th instruction of notifying, posting, taking, joining, leaving, meeting and sleeping for
//! any of it: waiting processes continue, and nothing is counted twice.
//!
//! The long form stops at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering::Release;
use std::time::{Duration, Instant};

use shm_core::sync::BarrierError;
use shm_core::{Shm, ShmLayout};
use shm_tests::step::KillOutcome;
use shm_tests::{DEADLINE, Names, Peer, WaitSegment, is_owed, peer, step};

/// Runs `what` in a peer and kills it at every `stride`-th instruction, until it completes. For each kill this calls
/// `around` with a function that kills and returns whether the peer was killed.
fn at_every(
    what: &str,
    stride: usize,
    mut around: impl FnMut(&Shm<WaitSegment>, &dyn Fn() -> bool),
) {
    let names = Names::new(what);
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut instruction = 0;
    let mut over = false;
    while !over {
        let killed = Cell::new(true);
        around(&shm, &|| {
            let mut peer: Peer = peer!();
            peer.ok(&format!("waiting attach {name}"));
            killed.set(step::kill_at_instruction(
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

/// Kills at every point of a round that sleeps, through either kind of handle. `around` gets a function that kills: it calls
/// its argument when the peer sleeps, and returns what happened to the peer.
fn asleep(
    what: &str,
    kind: &str,
    before: Option<u64>,
    around: impl Fn(&Shm<WaitSegment>, &dyn Fn(&mut dyn FnMut()) -> KillOutcome),
) {
    let names = Names::new(&format!("{what}-{kind}"));
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    step::kill_around_sleep(&format!("{what}, {kind}"), before, 199, |point| {
        let seen = Cell::new(None);
        around(&shm, &|asleep| {
            let mut peer = peer!();
            peer.ok(&format!("waiting {kind} {name}"));
            let command = format!("waiting round {what}");
            let killed = step::kill_at_point(peer, &command, point, asleep);
            seen.set(Some(killed));
            killed
        });
        seen.get().unwrap()
    });
}

/// A thread sleeps on an event while a peer notifies and is killed.
fn notify(what: &str, stride: u64) {
    let (mut counted, mut not) = (0, 0);
    at_every(what, step::stride(stride), |shm, kill| {
        let before = shm.event.generation();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| shm.event.wait_timeout(before, DEADLINE));
            let killed = kill();
            let after = shm.event.generation();
            if after == before {
                assert!(killed);
                not += 1;
                shm.event.notify_one();
            } else {
                counted += 1;
            }
            // If the peer was killed before it woke the sleeper, the sleeper polls.
            assert_eq!(sleeper.join().unwrap(), Ok(before + 1));
        });
        assert_eq!(shm.event.generation(), before + 1);
        assert!(shm.event.wait_timeout(before + 1, Duration::ZERO).is_err());
    });
    println!("{counted} counted, {not} not");
    assert!(counted > 0 && not > 0, "{counted} {not}");
}

#[test]
fn kill_in_event_notify_leaves_nobody_asleep() {
    notify("notify-one", 11);
    notify("notify-all", 11);
}

#[test]
fn kill_in_event_wait_disturbs_nobody() {
    at_every("event-wait", step::stride(151), |shm, kill| {
        let before = shm.event.generation();
        kill();
        assert_eq!(shm.event.generation(), before);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| shm.event.wait_timeout(before, DEADLINE));
            shm.event.notify_one();
            assert_eq!(sleeper.join().unwrap(), Ok(before + 1));
        });
    });
}

/// A peer and another process sleep on an event when one of them is notified.
fn asleep_on_an_event(what: &str, kind: &str, before: Option<u64>) {
    asleep(what, kind, before, |shm, kill| {
        let (event, before) = (&shm.event, shm.event.generation());
        std::thread::scope(|scope| {
            let (mut sleeper, notified) = (None, Cell::new(0));
            let mut notify = || {
                if sleeper.is_none() {
                    let wait = || event.wait_timeout(before, DEADLINE);
                    sleeper = Some(step::spawn_until_asleep(scope, wait));
                }
                // If the peer was late, and sleeps again, the other process has taken the last one.
                shm.ping.fetch_add(1, Release);
                event.notify_one();
                notified.set(notified.get() + 1);
            };
            kill(&mut notify);
            // If it was killed before it slept.
            if notified.get() == 0 {
                notify();
            }
            let sleeper = sleeper.unwrap();
            // If the wake-up was lost with the peer, the sleeper finds at the end of its slice what nobody has taken.
            let start = Instant::now();
            while is_owed(event) && !sleeper.is_finished() {
                assert!(start.elapsed() < DEADLINE);
                std::thread::yield_now();
            }
            // The peer may have been about to return with it.
            event.notify_one();
            let last = before + notified.get() + 1;
            let seen = sleeper.join().unwrap().unwrap();
            assert!((before + 1..=last).contains(&seen), "{seen}");
            assert_eq!(event.generation(), last);
        });
    });
}

#[test]
fn kill_in_event_sleep_does_not_strand_other_sleepers() {
    asleep_on_an_event("event-sleep", "attach", Some(2_999));
    asleep_on_an_event("event-forever", "attach", None);
    asleep_on_an_event("event-until", "attach", None);
}

/// A polling process sleeps only for a moment, which ends within a step or two.
#[test]
fn kill_in_read_only_event_polling_disturbs_nobody() {
    asleep_on_an_event("event-sleep", "attach-read-only", None);
    asleep_on_an_event("event-until", "attach-read-only", None);
}

/// A peer posts `permits` permits.
fn kill_in_post(what: &str, permits: u32) {
    let (mut posted, mut not) = (0, 0);
    at_every(what, step::stride(11), |shm, kill| {
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| shm.permits.wait_timeout(DEADLINE));
            // There is always a permit for the sleeper, and one more if the peer got that far.
            kill();
            shm.permits.post().unwrap();
            sleeper.join().unwrap().unwrap();
        });
        match shm.permits.value() {
            0 => not += 1,
            value if value == permits => posted += 1,
            value => panic!("{value}"),
        }
        while shm.permits.try_wait() {}
    });
    println!("{posted} posted, {not} not");
    assert!(posted > 0 && not > 0, "{posted} {not}");
}

/// Runs `what` in a peer next to a thread that posts after each of its first instructions, up to `most`, and so is always faster.
/// Returns the answer, how many permits remain that the thread did not post, and the number of instructions.
fn at_each_instruction(what: &str, most: usize) -> (String, i64, usize) {
    let names = Names::new(&format!("beset-{what}"));
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    shm.permits.post().unwrap();
    let mut peer: Peer = peer!();
    peer.ok(&format!("waiting attach {name}"));
    let mut posted = 1;
    let command = format!("waiting round {what}");
    let instructions = step::at_each_instruction(&mut peer, &command, most, || {
        shm.permits.post().unwrap();
        posted += 1;
    });
    println!("{what}, next to a faster peer: {instructions} instructions");
    let more = i64::from(shm.permits.value()) - posted;
    (peer.hear(), more, instructions)
}

#[test]
fn a_post_ends_although_a_peer_always_changes_the_word() {
    let most = 1_000_000;
    let (answer, more, instructions) = at_each_instruction("post", most);
    assert_eq!((&*answer, more), ("ok ", 1));
    assert!(instructions < most);
}

/// As long as the peer is faster, the attempts fail.
#[test]
fn a_try_wait_succeeds_once_a_faster_peer_pauses() {
    let most = 100_000;
    let (answer, more, instructions) = at_each_instruction("try-take", most);
    assert_eq!((&*answer, more), ("ok true", -1));
    assert_eq!(instructions, most);
}

#[test]
fn kill_in_semaphore_post_adds_all_permits_or_none() {
    kill_in_post("post", 1);
    kill_in_post("post-many", 3);
}

/// A peer takes permits of two, after which `left` may be left.
fn kill_in_take(what: &str, left: RangeInclusive<u32>) {
    let (mut taken, mut not) = (0, 0);
    at_every(what, step::stride(7), |shm, kill| {
        shm.permits.post_many(2).unwrap();
        kill();
        match shm.permits.value() {
            2 => not += 1,
            value if left.contains(&value) => taken += 1,
            value => panic!("{value}"),
        }
        while shm.permits.try_wait() {}
    });
    println!("{taken} taken, {not} not");
    assert!(taken > 0 && not > 0, "{taken} {not}");
}

#[test]
fn kill_in_semaphore_try_wait_takes_one_permit_or_none() {
    kill_in_take("take", 1..=1);
    kill_in_take("try-thrice", 0..=1);
}

/// A peer sleeps until it can take `wanted` permits, next to another process that wants one.
fn asleep_for_permits(what: &str, wanted: u32, before: Option<u64>) {
    let (taken, not) = (Cell::new(0), Cell::new(0));
    asleep(what, "attach", before, |shm, kill| {
        let permits = &shm.permits;
        std::thread::scope(|scope| {
            let (mut sleeper, posted) = (None, Cell::new(0));
            let mut post = || {
                if sleeper.is_none() {
                    let wait = || permits.wait_timeout(DEADLINE);
                    sleeper = Some(step::spawn_until_asleep(scope, wait));
                }
                // If the peer was late, and sleeps again, the other process got the last permit, or one of several is left.
                permits.post_many(wanted).unwrap();
                posted.set(posted.get() + wanted);
            };
            let seen = kill(&mut post);
            // If it was killed before it slept.
            if posted.get() == 0 {
                post();
            }
            let sleeper = sleeper.unwrap();
            // If the peer lost only the wake-up, the sleeper polls.
            let start = Instant::now();
            while permits.value() > 0 && !sleeper.is_finished() {
                assert!(start.elapsed() < DEADLINE);
                std::thread::yield_now();
            }
            permits.post().unwrap();
            sleeper.join().unwrap().unwrap();
            // One was added, and one is the sleeper's.
            match posted.get() - permits.value() {
                lost if lost == wanted => taken.set(taken.get() + 1),
                0 if seen.killed => not.set(not.get() + 1),
                value => panic!("{value}"),
            }
        });
        while permits.try_wait() {}
    });
    let (taken, not) = (taken.get(), not.get());
    println!("{what}: {taken} taken, {not} not");
    assert!(taken > 0 && not > 0, "{taken} {not}");
}

#[test]
fn kill_in_semaphore_sleep_loses_at_most_one_permit() {
    asleep_for_permits("take-sleep", 1, Some(2_999));
    asleep_for_permits("take-forever", 1, None);
}

#[test]
fn kill_in_semaphore_wait_many_takes_all_permits_or_none() {
    kill_in_take("take-two", 0..=0);
}

#[test]
fn kill_in_semaphore_wait_many_sleep_takes_all_or_none() {
    asleep_for_permits("take-two", 2, Some(2_999));
    asleep_for_permits("take-two-forever", 2, None);
}

#[test]
fn kill_in_semaphore_wait_timeout_loses_no_permit() {
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

/// A peer uses the last seat, and is killed.
fn next_to_two_seats(what: &str) {
    at_every(what, step::stride(31), |shm, kill| {
        let _others = [shm.meet.join().unwrap(), shm.meet.join().unwrap()];
        kill();
        seat_is_free(shm);
    });
}

#[test]
fn kill_in_barrier_join_leaves_the_seat_free() {
    next_to_two_seats("join");
}

#[test]
fn kill_in_barrier_leave_gives_the_seat_to_a_waiter() {
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

#[test]
fn kill_in_barrier_seat_takeover_leaves_the_seat_free() {
    at_every("join-dead", step::stride(1_201), |shm, kill| {
        let _others = [shm.meet.join().unwrap(), shm.meet.join().unwrap()];
        let mut dead: Peer = peer!();
        dead.ok(&format!("waiting attach {}", shm.name()));
        dead.ok("waiting meet join");
        dead.kill();
        kill();
        seat_is_free(shm);
    });
}

#[test]
fn kill_in_barrier_join_and_leave_leaves_the_seat_free() {
    next_to_two_seats("visit");
}

/// The last seat can be claimed, and nobody has arrived there.
fn seat_is_free(shm: &Shm<WaitSegment>) {
    let seat = shm.meet.join().unwrap();
    assert!(seat.number() == 2 && !seat.has_arrived());
    assert!(matches!(shm.meet.join(), Err(BarrierError::Full)));
}

#[test]
fn kill_in_barrier_join_sleep_leaves_the_seat_free() {
    asleep("join-sleep", "attach", Some(2_999), |shm, kill| {
        let _others = [shm.meet.join().unwrap(), shm.meet.join().unwrap()];
        let mut last = Some(shm.meet.join().unwrap());
        kill(&mut || drop(last.take()));
        drop(last);
        seat_is_free(shm);
    });
}

/// A peer arrives first and sleeps; the two others arrive when it does.
fn meet_asleep(what: &str, before: Option<u64>) {
    let (passed, reported) = (Cell::new(0), Cell::new(0));
    asleep(what, "attach", before, |shm, kill| {
        let round = shm.meet.round();
        let (mut one, mut two) = (shm.meet.join().unwrap(), shm.meet.join().unwrap());
        let mut met = None;
        let mut meet = || {
            if met.is_none() {
                let first = one.wait_timeout(Duration::ZERO);
                let second = two.wait_timeout(DEADLINE);
                met = Some((first, second));
            }
        };
        let seen = kill(&mut meet);
        // If it was killed before it slept.
        meet();
        match met.unwrap() {
            (Err(BarrierError::TimedOut { .. }), Ok(second)) => {
                passed.set(passed.get() + 1);
                assert!(second.is_leader());
                assert!(!one.wait_timeout(DEADLINE).unwrap().is_leader());
            }
            (Err(BarrierError::Died { seat: 2 }), Err(BarrierError::Died { seat: 2 })) => {
                reported.set(reported.get() + 1);
                assert!(seen.killed && !seen.slept);
                assert_eq!(shm.meet.round(), round);
                let mut three = shm.meet.join().unwrap();
                assert!(!three.has_arrived());
                assert!(three.wait_timeout(DEADLINE).unwrap().is_leader());
                assert!(!one.wait_timeout(DEADLINE).unwrap().is_leader());
                assert!(!two.wait_timeout(DEADLINE).unwrap().is_leader());
            }
            result => panic!("{result:?}"),
        }
        // Otherwise the next one to sleep might get the report of this kill.
        drop(shm.meet.join().unwrap());
        drop((one, two));
        assert_eq!((shm.meet.round(), shm.meet.arrived()), (round + 1, 0));
    });
    let (passed, reported) = (passed.get(), reported.get());
    println!("{what}: {passed} passed, {reported} deaths reported");
    assert!(
        passed > 0 && (before.is_none() || reported > 0),
        "{passed} {reported}"
    );
}

#[test]
fn kill_in_barrier_wait_sleep_keeps_the_arrival() {
    meet_asleep("meet", Some(2_999));
    meet_asleep("meet-forever", None);
}

/// A peer meets two others that have arrived before, and is killed. One of them sleeps meanwhile, or neither does.
fn meet(stride: u64, asleep: bool) -> (usize, usize) {
    let (mut passed, mut reported, mut led) = (0, 0, 0);
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
                reported += 1;
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
        // Otherwise the next one to sleep might get the report of this kill.
        drop(shm.meet.join().unwrap());
        drop((one, two));
        // All have left, and nobody has arrived in the next round.
        assert_eq!((shm.meet.round(), shm.meet.arrived()), (round + 1, 0));
    });
    println!("{passed} passed, {led} of them completed by a survivor, {reported} deaths reported");
    assert!(passed > 0 && reported > 0, "{passed} {reported}");
    (passed, led)
}

#[test]
fn kill_in_barrier_wait_passes_once_or_reports_the_death() {
    let (_, led) = meet(23, true);
    assert!(led > 0);
    // The peer completes the round, unless it is killed between arriving and completing.
    let (passed, led) = meet(31, false);
    assert!(led < passed, "{led} {passed}");
}
