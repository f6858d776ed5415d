//! Locks under fire: owners killed at random instants, forks amid threads, and words that a peer has scribbled on.
//!
//! `SHM_CLAIM_KILLS` and `SHM_CLAIM_FORKS` are the numbers for a long run.

use std::process::Command;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::LockError;
use shm_tests::{DEADLINE, Guarded, Instants, Names, Peer, from_env, peer, pid_namespace};

#[test]
fn forks_amid_threads_that_come_and_go_neither_hang_nor_keep_the_dead_alive() {
    let names = Names::new("claims-storm");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let mut peer = peer!();
    let rounds: u64 = from_env("SHM_CLAIM_FORKS", 150);
    let left: u64 = peer
        .ok(&format!("claims storm {name} {rounds}"))
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
fn random_words_in_place_of_a_claim_end_in_time() {
    let shm = Guarded::create_anonymous().unwrap();
    // SAFETY: the lock is the first field and its claim the first word of it; aligned, mapped as long as the handle, and
    // only accessed atomically.
    let word = unsafe { AtomicU32::from_ptr(shm.as_ptr().cast_mut().cast()) };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Instants::new();
            while !done.load(Acquire) {
                // Small ids too: those of the living.
                let value = random.next_number();
                let mask = if value & 1 << 40 == 0 {
                    u32::MAX
                } else {
                    0xC000_0003
                };
                word.store(value as u32 & mask, Release);
            }
        });
        let (mut had, mut refused) = (0, 0);
        while had < 1000 || refused < 1000 {
            for locked in [
                shm.lock.try_lock(),
                shm.lock.lock_timeout(Duration::from_micros(200)),
            ] {
                match locked {
                    Ok(_) | Err(LockError::OwnerDied(_)) => had += 1,
                    Err(LockError::WouldBlock | LockError::TimedOut) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        done.store(true, Release);
    });
    word.store(0, Release);
    drop(shm.lock.lock().unwrap());
}

/// Peers lock and unlock as fast as they can, and are killed at any instant.
fn torture(tag: &str, kills: u64, mut start: impl FnMut() -> Peer) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let mut looping = || {
        let mut peer = start();
        peer.ok(&format!("claims attach {name}"));
        peer.tell("claims loop");
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let mut peers: Vec<Peer> = (0..3).map(|_| looping()).collect();
    let mut instants = Instants::new();
    let begin = Instant::now();
    for number in 0..kills {
        instants.spin();
        let victim = number as usize % peers.len();
        peers[victim].kill();
        // Whatever the dead had, the others go on.
        let before = shm.rounds.load(Acquire);
        let killed = Instant::now();
        while shm.rounds.load(Acquire) == before {
            assert!(killed.elapsed() < DEADLINE, "{:?}", shm.cell());
            std::thread::yield_now();
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
    let died = shm.died.load(Acquire);
    assert!(died > 0, "no owner was ever hit");
    println!("{kills} kills, {died} of owners, {:?}", begin.elapsed());
}

#[test]
fn owners_killed_at_any_instant_never_leave_two_owners_or_none() {
    torture("claims-kills", from_env("SHM_CLAIM_KILLS", 300), || peer!());
}

#[test]
fn every_process_in_a_pid_namespace_of_its_own_is_as_good() {
    let Some(arguments) = pid_namespace() else {
        return;
    };
    let start = || {
        let mut command = Command::new("unshare");
        Peer::spawn(command.args(&arguments).arg(env!("CARGO_BIN_EXE_peer")))
    };
    torture("claims-ns", from_env("SHM_CLAIM_KILLS", 300) / 3, start);
}
