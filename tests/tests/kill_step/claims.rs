//! A process is killed after each k-th instruction of locking, sleeping for the lock, changing the value and unlocking: the
//! next process always gets the lock, and a report if the change is incomplete.
//!
//! The long form stops at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use shm_core::sync::LockError;
use shm_core::{Shm, ShmLayout};
use shm_tests::peer::ROUND_TIMEOUT;
use shm_tests::{DEADLINE, Guarded, Names, Peer, peer, step};

fn attached(name: &str) -> Peer {
    peer!("claims attach {name}")
}

/// Locks next. Returns whether a death was reported.
pub(crate) fn next(shm: &Shm<Guarded>) -> bool {
    // Long enough for any machine; a stuck process is stuck forever.
    match shm.lock.lock_timeout(Duration::from_secs(60)) {
        Ok(pair) => {
            assert_eq!(pair.count.get(), pair.twin.get());
            false
        }
        Err(LockError::OwnerDied(mut pair)) => {
            let (count, twin) = (pair.count.get(), pair.twin.get());
            assert!(count == twin || count == twin + 1, "{count} {twin}");
            pair.twin.set(count);
            pair.mark_consistent();
            true
        }
        Err(error) => panic!("{error}"),
    }
}

/// Kills at every `stride`-th instruction of one way to lock and unlock after `before`, until the round ends.
fn at_every(tag: &str, way: &str, stride: usize, before: impl Fn(&str)) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let (mut reported, mut unreported, mut instruction) = (0, 0, 0);
    loop {
        before(&name);
        let killed =
            step::kill_at_instruction(attached(&name), &format!("claims round {way}"), instruction);
        if next(&shm) {
            reported += 1;
        } else {
            unreported += 1;
        }
        // Nothing remains for the process after that.
        assert!(!next(&shm));
        if !killed {
            break;
        }
        instruction += stride;
    }
    println!("{tag}: {instruction} instructions, {reported} deaths reported, {unreported} not");
    assert!(reported > 0 && unreported > 0, "{reported} {unreported}");
}

#[test]
fn kill_in_lock_and_unlock_is_recovered() {
    at_every("step", "lock", step::stride(37), |_| {});
}

#[test]
fn kill_in_lock_takeover_is_recovered() {
    at_every("step-take-over", "lock", step::stride(601), lock_and_die);
}

#[test]
fn kill_in_lock_recovery_is_recovered() {
    at_every("step-recover", "recover", step::stride(1_201), lock_and_die);
}

/// A process takes the lock and dies.
pub(crate) fn lock_and_die(name: &str) {
    let mut owner = attached(name);
    owner.ok("claims lock forever");
    owner.kill();
}

/// The flag in the lock's word that says that a process may be asleep.
fn has_sleeper(shm: &Shm<Guarded>) -> bool {
    // SAFETY: the lock is the first field and its claim the first word of it; aligned, mapped as long as the handle, and
    // only accessed atomically.
    let word = unsafe { AtomicU32::from_ptr(shm.as_ptr().cast_mut().cast()) };
    word.load(Relaxed) & 1 << 31 != 0
}

#[test]
fn kill_in_lock_timeout_neither_frees_nor_blocks_it() {
    let names = Names::new("step-wait");
    let name = names.name("t");
    let (shm, other) = (
        Guarded::create(&name).unwrap(),
        Guarded::attach(&name).unwrap(),
    );
    let (mut instruction, mut killed) = (0, true);
    while killed {
        let guard = shm.lock.lock().unwrap();
        std::thread::scope(|scope| {
            // Another process waits too; either may be woken.
            let waiter = scope.spawn(|| other.lock.lock_timeout(DEADLINE).map(drop).is_ok());
            killed =
                step::kill_at_instruction(attached(&name), "claims round in-vain", instruction);
            assert!(matches!(
                other.lock.try_lock(),
                Err(LockError::WouldBlock(_))
            ));
            drop(guard);
            // It gets the lock without a report of a death.
            assert!(waiter.join().unwrap());
        });
        instruction += step::stride(101);
    }
    println!("step-wait: {instruction} instructions");
    assert!(instruction > 500, "{instruction}");
}

#[test]
fn kill_in_try_lock_does_not_free_a_held_lock() {
    let names = Names::new("step-busy");
    let name = names.name("t");
    let (shm, other) = (
        Guarded::create(&name).unwrap(),
        Guarded::attach(&name).unwrap(),
    );
    let guard = shm.lock.lock().unwrap();
    let (mut instruction, mut killed) = (0, true);
    while killed {
        killed = step::kill_at_instruction(attached(&name), "claims round busy", instruction);
        assert!(matches!(
            other.lock.try_lock(),
            Err(LockError::WouldBlock(_))
        ));
        instruction += step::stride(997);
    }
    drop(guard);
    assert!(!next(&other));
    println!("step-busy: {instruction} instructions");
    assert!(instruction > 100, "{instruction}");
}

#[test]
fn kill_in_lock_wakeup_passes_the_lock_to_other_sleepers() {
    let names = Names::new("step-sleep");
    let name = names.name("t");
    let (shm, other) = (
        Guarded::create(&name).unwrap(),
        Guarded::attach(&name).unwrap(),
    );
    let (mut reported, mut unreported) = (0, 0);
    step::kill_around_sleep("step-sleep", Some(2_999), 499, |point| {
        let mut guard = Some(shm.lock.lock().unwrap());
        std::thread::scope(|scope| {
            let mut waiter = None;
            // The peer has slept for longer, so it is woken first.
            let mut release = || {
                if let Some(guard) = guard.take() {
                    waiter = Some(step::spawn_until_asleep(scope, || next(&other)));
                    drop(guard);
                }
            };
            let seen =
                step::kill_at_point(attached(&name), "claims round sleep", point, &mut release);
            // If it was killed before it slept.
            release();
            // It may have probed just before the peer locked, as the last one.
            if waiter.unwrap().join().unwrap() || next(&shm) {
                assert!(seen.killed);
                reported += 1;
            } else {
                unreported += 1;
            }
            assert!(!next(&shm));
            seen
        })
    });
    println!("step-sleep: {reported} deaths reported, {unreported} not");
    assert!(reported > 0 && unreported > 0, "{reported} {unreported}");
}

#[test]
fn kill_in_lock_takeover_after_sleep_is_recovered() {
    let names = Names::new("step-sleep-take-over");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let (mut reported, mut unreported) = (0, 0);
    step::kill_around_sleep("step-sleep-take-over", None, 601, |point| {
        let mut owner = attached(&name);
        owner.ok("claims lock forever");
        let mut owner = Some(owner);
        let mut die = || {
            if let Some(mut owner) = owner.take() {
                owner.kill();
            }
        };
        let seen = step::kill_at_point(attached(&name), "claims round sleep", point, &mut die);
        // If it was killed in its sleep.
        die();
        if next(&shm) {
            reported += 1;
        } else {
            unreported += 1;
        }
        assert!(!next(&shm));
        seen
    });
    println!("step-sleep-take-over: {reported} deaths reported, {unreported} not");
    assert!(reported > 0 && unreported > 0, "{reported} {unreported}");
}

/// Another process gets the lock that the peer was woken for, and knows of no sleeper. So the peer has to set the flag again
/// when it gives up: it may not have been the only one.
#[test]
fn kill_in_lock_giving_up_after_sleep_blocks_nobody() {
    let names = Names::new("step-give-up");
    let name = names.name("t");
    let (shm, other) = (
        Guarded::create(&name).unwrap(),
        Guarded::attach(&name).unwrap(),
    );
    let (mut passed_on, mut not) = (0, 0);
    step::kill_around_sleep("step-give-up", None, 101, |point| {
        let mut guard = Some(shm.lock.lock().unwrap());
        let mut asleep = None;
        let release_and_lock = || {
            let asleep = asleep.get_or_insert_with(Instant::now);
            drop(guard.take());
            guard = shm.lock.try_lock().ok();
            // The peer, stopped at its wake-up, is late.
            while asleep.elapsed() < ROUND_TIMEOUT {
                std::thread::yield_now();
            }
        };
        let command = "claims round give-up";
        let seen = step::kill_at_point(attached(&name), command, point, release_and_lock);
        let guard = guard.expect("no other process wants it");
        if asleep.is_some() {
            let flagged = has_sleeper(&shm);
            assert!(flagged || seen.killed);
            if flagged {
                passed_on += 1;
            } else {
                not += 1;
            }
        }
        std::thread::scope(|scope| {
            let waiter = step::spawn_until_asleep(scope, || next(&other));
            drop(guard);
            assert!(!waiter.join().unwrap());
        });
        seen
    });
    println!("step-give-up: {passed_on} times passed on, {not} not");
    assert!(passed_on > 0 && not > 0, "{passed_on} {not}");
}

#[test]
fn kill_in_unlock_leaves_the_lock_to_a_sleeper() {
    let names = Names::new("step-unlock");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let (mut reported, mut unreported, mut instruction, mut killed) = (0, 0, 0, true);
    while killed {
        let mut owner = attached(&name);
        owner.ok("claims lock forever");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| next(&shm));
            let start = Instant::now();
            while !has_sleeper(&shm) {
                assert!(start.elapsed() < DEADLINE);
                std::thread::yield_now();
            }
            killed = step::kill_at_instruction(owner, "claims round unlock", instruction);
            if waiter.join().unwrap() {
                reported += 1;
            } else {
                unreported += 1;
            }
        });
        assert!(!next(&shm));
        instruction += step::stride(3);
    }
    println!(
        "step-unlock: {instruction} instructions, {reported} deaths reported, {unreported} not"
    );
    assert!(reported > 0 && unreported > 0, "{reported} {unreported}");
}
