//! Lock owners are killed at random instants, threads fork, and a peer writes random words.
//!
//! `SHM_CLAIM_KILLS` and `SHM_CLAIM_FORKS` set the numbers for a long run.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::{Event, LockError};
use shm_tests::{
    DEADLINE, Guarded, Names, Peer, RandomDelays, Timings, count_from_env, next_to, peer,
    pid_namespaces,
};

#[test]
fn forks_among_threads_neither_hang_nor_hide_deaths() {
    let names = Names::new("claims-storm");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let mut peer = peer!();
    let rounds: u64 = count_from_env("SHM_CLAIM_FORKS", 150);
    let left: u64 = peer
        .ok(&format!("claims fork-storm {name} {rounds}"))
        .parse()
        .unwrap();
    assert!(left > 0);
    // A child may be killed before it has unlocked.
    match shm.lock.lock() {
        Ok(guard) | Err(LockError::OwnerDied(guard)) => assert_eq!(guard.count.get(), rounds),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn lock_calls_end_while_a_peer_writes_random_words() {
    let shm = Guarded::create_anonymous().unwrap();
    // SAFETY: the lock is the first field and its claim the first word of it; aligned, mapped as long as the handle, and
    // only accessed atomically.
    let word = unsafe { AtomicU32::from_ptr(shm.as_ptr().cast_mut().cast()) };
    next_to(
        |random| {
            // Small ids too: those of living participants.
            let value = random.next_number();
            let mask = if value & 1 << 40 == 0 {
                u32::MAX
            } else {
                0xC000_0003
            };
            word.store(value as u32 & mask, Release);
        },
        || {
            let (mut had, mut refused) = (0, 0);
            while had < 1000 || refused < 1000 {
                for locked in [
                    shm.lock.try_lock(),
                    shm.lock.lock_timeout(Duration::from_micros(200)),
                ] {
                    match locked {
                        Ok(_) | Err(LockError::OwnerDied(_)) => had += 1,
                        // The first guard lives, and the word can name this process again.
                        Err(
                            LockError::WouldBlock(_)
                            | LockError::TimedOut(_)
                            | LockError::WouldDeadlock,
                        ) => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        },
    );
    word.store(0, Release);
    drop(shm.lock.lock().unwrap());
}

/// Peers lock and unlock as fast as they can, with the loop `how`, and are killed at random instants.
fn torture(tag: &str, kills: u64, how: &str, mut start: impl FnMut() -> Peer) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let mut looping = || {
        let mut peer = start();
        peer.ok(&format!("claims attach {name}"));
        peer.tell(&format!("claims loop {how}"));
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let mut peers: Vec<Peer> = (0..3).map(|_| looping()).collect();
    let mut instants = RandomDelays::new();
    let mut taken_over = Vec::new();
    let begin = Instant::now();
    for number in 0..kills {
        instants.spin();
        let victim = number as usize % peers.len();
        let reported = shm.died.load(Acquire);
        let killed = Instant::now();
        peers[victim].kill();
        // Whatever the dead peer held, the others continue.
        let before = shm.rounds.load(Acquire);
        let mut took = None;
        while shm.rounds.load(Acquire) == before {
            if shm.died.load(Acquire) != reported {
                took = took.or_else(|| Some(killed.elapsed()));
            }
            assert!(killed.elapsed() < DEADLINE, "{:?}", shm.cell());
            std::thread::yield_now();
        }
        if shm.died.load(Acquire) != reported {
            taken_over.push(took.unwrap_or_else(|| killed.elapsed()));
        }
        peers[victim] = looping();
    }
    shm.stop.store(1, Release);
    for mut peer in peers {
        assert_eq!(peer.hear(), "ok ");
    }
    for wrong in [&shm.doubles, &shm.torn, &shm.failed] {
        assert_eq!(wrong.load(Acquire), 0, "{:?}", shm.cell());
    }
    // If a process of the namespace outlives the killed one for a moment, some recoveries are not timed.
    let died = shm.died.load(Acquire);
    assert!(died > 0, "no owner was ever hit");
    assert!(taken_over.len() as u64 <= died);
    println!(
        "{tag}: {kills} kills in {:?}, {died} of owners; taken over: {}",
        begin.elapsed(),
        Timings::new(taken_over)
    );
}

/// An owner that does nothing is killed while another process sleeps on its lock, while `busy` threads keep the processors busy.
fn rescue(tag: &str, kills: u64, busy: usize) {
    let names = Names::new(tag);
    let name = names.name("t");
    let _shm = Guarded::create(&name).unwrap();
    let attached = || {
        let mut peer = peer!();
        peer.ok(&format!("claims attach {name}"));
        peer
    };
    // Nobody notifies, so this wait is a pause.
    let never = Event::create_anonymous().unwrap();
    let done = AtomicBool::new(false);
    shm_tests::scope(|scope| {
        for _ in 0..busy {
            scope.start(|| {
                while !done.load(Acquire) {
                    std::hint::spin_loop();
                }
            });
        }
        let mut waiter = attached();
        let mut instants = RandomDelays::new();
        let mut taken_over = Vec::new();
        for _ in 0..kills {
            let mut owner = attached();
            owner.ok("claims lock forever");
            waiter.tell("claims lock forever");
            // Meanwhile the waiter's slices of sleep begin and end.
            let _ = never.wait_timeout(0, Duration::from_micros(instants.next_number() % 100_000));
            let killed = Instant::now();
            owner.kill();
            assert!(waiter.hear().starts_with("ok died"));
            taken_over.push(killed.elapsed());
            waiter.ok("claims consistent");
            waiter.ok("claims unlock");
        }
        done.store(true, Release);
        println!("{tag}: taken over: {}", Timings::new(taken_over));
    });
}

#[test]
fn a_sleeper_soon_gets_the_lock_of_a_killed_owner() {
    rescue(
        "claims-idle",
        count_from_env("SHM_CLAIM_KILLS", 300) / 10,
        0,
    );
}

#[test]
fn a_sleeper_gets_the_lock_on_a_busy_machine() {
    rescue(
        "claims-busy",
        count_from_env("SHM_CLAIM_KILLS", 300) / 10,
        4,
    );
}

#[test]
fn killed_owners_never_leave_two_owners_or_none() {
    let kills = count_from_env("SHM_CLAIM_KILLS", 300);
    torture("claims-kills", kills, "anyhow", || peer!());
}

#[test]
fn killed_owners_never_strand_peers_that_only_wait() {
    let kills = count_from_env("SHM_CLAIM_KILLS", 300) / 3;
    torture("claims-patient", kills, "forever", || peer!());
}

#[test]
fn kills_across_pid_namespaces_are_handled_alike() {
    let Some(start) = pid_namespaces(env!("CARGO_BIN_EXE_peer")) else {
        return;
    };
    let kills = count_from_env("SHM_CLAIM_KILLS", 300) / 3;
    torture("claims-ns", kills, "anyhow", start);
}
