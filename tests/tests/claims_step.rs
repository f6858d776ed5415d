//! A process killed after each k-th instruction of locking, changing and unlocking: the next to lock always gets it, and is
//! told if anything is half done.
//!
//! The long form looks at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use shm_core::sync::LockError;
use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Guarded, Names, Peer, peer, step};

fn attached(name: &str) -> Peer {
    let mut peer = peer!();
    peer.ok(&format!("claims attach {name}"));
    peer
}

/// What the next to lock finds. Says whether it was told of a death.
fn next(shm: &Shm<Guarded>) -> bool {
    // Long enough for any machine; what is stuck is stuck for ever.
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

/// Kills at every `stride`-th instruction after `before`, until the round is over.
fn at_every(tag: &str, stride: usize, before: impl Fn(&str)) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let (mut told, mut untold, mut instruction) = (0, 0, 0);
    loop {
        before(&name);
        let killed = step::kill_at(attached(&name), "claims round", instruction);
        if next(&shm) {
            told += 1;
        } else {
            untold += 1;
        }
        // Nothing is left over for the one after.
        assert!(!next(&shm));
        if !killed {
            break;
        }
        instruction += stride;
    }
    println!("{instruction} instructions, {told} deaths told of, {untold} not");
    assert!(told > 0 && untold > 0, "{told} {untold}");
}

#[test]
fn killed_at_any_instruction_of_lock_and_unlock_nobody_is_stuck_or_deceived() {
    at_every("step", step::stride(37), |_| {});
}

#[test]
fn killed_at_any_instruction_of_a_take_over_nobody_is_stuck_or_deceived() {
    at_every("step-take-over", step::stride(601), |name| {
        let mut owner = attached(name);
        owner.ok("claims lock forever");
        owner.kill();
    });
}

/// The flag in the lock's word that says that somebody may be asleep.
fn somebody_sleeps(shm: &Shm<Guarded>) -> bool {
    // SAFETY: the lock is the first field and its claim the first word of it; aligned, mapped as long as the handle, and
    // only accessed atomically.
    let word = unsafe { AtomicU32::from_ptr(shm.as_ptr().cast_mut().cast()) };
    word.load(Relaxed) & 1 << 31 != 0
}

#[test]
fn killed_at_any_instruction_of_waiting_for_a_lock_it_frees_nothing_and_keeps_nobody() {
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
            // Another waits too; the victim may be the one that is woken.
            let waiter = scope.spawn(|| other.lock.lock_timeout(DEADLINE).map(drop).is_ok());
            killed = step::kill_at(attached(&name), "claims wait-round", instruction);
            assert!(matches!(other.lock.try_lock(), Err(LockError::WouldBlock)));
            drop(guard);
            // Neither in vain nor told of a death.
            assert!(waiter.join().unwrap());
        });
        instruction += step::stride(101);
    }
    println!("{instruction} instructions");
    assert!(instruction > 500, "{instruction}");
}

#[test]
fn killed_at_any_instruction_of_unlocking_who_sleeps_on_it_gets_the_lock() {
    let names = Names::new("step-unlock");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let (mut told, mut untold, mut instruction, mut killed) = (0, 0, 0, true);
    while killed {
        let mut owner = attached(&name);
        owner.ok("claims lock forever");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| next(&shm));
            let start = Instant::now();
            while !somebody_sleeps(&shm) {
                assert!(start.elapsed() < DEADLINE);
                std::thread::yield_now();
            }
            killed = step::kill_at(owner, "claims unlock-round", instruction);
            if waiter.join().unwrap() {
                told += 1;
            } else {
                untold += 1;
            }
        });
        assert!(!next(&shm));
        instruction += step::stride(3);
    }
    println!("{instruction} instructions, {told} deaths told of, {untold} not");
    assert!(told > 0 && untold > 0, "{told} {untold}");
}
