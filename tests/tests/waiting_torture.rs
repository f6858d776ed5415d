//! Events, semaphores and barriers under fire: processes killed at random instants, and replaced.
//!
//! `SHM_SYNC_KILLS` is the number of kills for a long run.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Instants, Names, Peer, Times, Waiting, from_env, peer, pid_namespaces};

/// Three peers run a loop; one after the other is killed and replaced. `after` is called with the number of the victim
/// after each kill, and again after it was replaced, and says how long it took until the others got on.
fn torture(
    tag: &str,
    what: &str,
    kills: u64,
    mut start: impl FnMut() -> Peer,
    mut after: impl FnMut(&Shm<Waiting>, Option<usize>) -> Option<Duration>,
) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Waiting::create(&name).unwrap();
    let mut looping = |number: usize| {
        let mut peer = start();
        peer.ok(&format!("waiting attach {name}"));
        peer.tell(&format!("waiting loop {what} {number}"));
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let mut peers: Vec<Peer> = (0..3).map(&mut looping).collect();
    after(&shm, None);
    let mut instants = Instants::new();
    let mut times = Vec::new();
    let begin = Instant::now();
    for number in 0..kills {
        instants.spin();
        let victim = number as usize % peers.len();
        peers[victim].kill();
        times.extend(after(&shm, Some(victim)));
        peers[victim] = looping(victim);
        after(&shm, None);
    }
    shm.stop.store(1, Release);
    shm.event.notify_all();
    for mut peer in peers {
        assert_eq!(peer.hear(), "ok ");
    }
    for wrong in [&shm.wrong, &shm.failed] {
        assert_eq!(wrong.load(Acquire), 0, "{:?}", shm.cell());
    }
    let value = u64::from(shm.permits.value());
    let (most, least) = (
        shm.posting.load(Acquire) - shm.taken.load(Acquire),
        shm.posted
            .load(Acquire)
            .saturating_sub(shm.taking.load(Acquire)),
    );
    assert!((least..=most).contains(&value), "{:?}", shm.cell());
    println!(
        "{kills} kills in {:?}; the others got on after: {}",
        begin.elapsed(),
        Times::new(times)
    );
}

/// Waits until the number has grown.
fn grows(number: &AtomicU64, from: u64, shm: &Shm<Waiting>) -> Duration {
    let start = Instant::now();
    while number.load(Acquire) <= from {
        assert!(start.elapsed() < DEADLINE, "{:?}", shm.cell());
        std::thread::yield_now();
    }
    start.elapsed()
}

/// Asks by an event and waits for the answers of all that live, which come by another.
fn ask(shm: &Shm<Waiting>, dead: Option<usize>) -> Option<Duration> {
    let start = Instant::now();
    let ping = shm.ping.fetch_add(1, Release) + 1;
    shm.event.notify_all();
    loop {
        let seen = shm.answers.generation();
        let mut living = (0..3).filter(|number| Some(*number) != dead);
        if living.all(|number| shm.pongs[number].load(Acquire) == ping) {
            return Some(start.elapsed());
        }
        shm.answers
            .wait(seen, DEADLINE)
            .unwrap_or_else(|_| panic!("{:?}", shm.cell()));
    }
}

/// A kill may cost a permit, so one is added. Then permits are taken again.
fn supply(shm: &Shm<Waiting>, _: Option<usize>) -> Option<Duration> {
    let taken = shm.taken.load(Acquire);
    shm.posting.fetch_add(1, Release);
    shm.permits.post().unwrap();
    shm.posted.fetch_add(1, Release);
    let time = grows(&shm.taken, taken, shm);
    // Few enough that somebody has to wait.
    while shm.permits.value() > 1 && shm.permits.try_wait() {
        shm.taking.fetch_add(1, Release);
        shm.taken.fetch_add(1, Release);
    }
    Some(time)
}

/// After a kill the two others are told, or pass the round once more and are told then. When the dead one was replaced, they
/// go on.
fn gather(shm: &Shm<Waiting>, dead: Option<usize>) -> Option<Duration> {
    match dead {
        Some(_) => Some(grows(&shm.died, shm.died.load(Acquire), shm)),
        None => {
            let round = shm.meet.round();
            let start = Instant::now();
            while shm.meet.round() < round + 2 {
                assert!(start.elapsed() < DEADLINE, "{:?}", shm.cell());
                std::thread::yield_now();
            }
            Some(start.elapsed())
        }
    }
}

#[test]
fn notifications_come_to_all_that_live() {
    torture(
        "event-kills",
        "event",
        from_env("SHM_SYNC_KILLS", 150),
        || peer!(),
        ask,
    );
}

#[test]
fn permits_are_neither_doubled_nor_lost_but_with_who_took_them() {
    let kills = from_env("SHM_SYNC_KILLS", 60);
    torture("semaphore-kills", "permits", kills, || peer!(), supply);
}

#[test]
fn rounds_are_passed_by_all_and_deaths_told_of() {
    let kills = from_env("SHM_SYNC_KILLS", 60);
    torture("barrier-kills", "meet", kills, || peer!(), gather);
}

#[test]
fn every_process_in_a_pid_namespace_of_its_own_is_as_good() {
    let Some(start) = pid_namespaces(env!("CARGO_BIN_EXE_peer")) else {
        return;
    };
    let kills = from_env("SHM_SYNC_KILLS", 60) / 3;
    torture("barrier-ns", "meet", kills, start, gather);
}
