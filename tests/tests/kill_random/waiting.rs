//! Users of events, semaphores and barriers are killed at random instants and replaced.
//!
//! `SHM_SYNC_KILLS` sets the number of kills for a long run.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use shm_core::{Shm, ShmLayout};
use shm_tests::{
    DEADLINE, Names, Peer, RandomDelays, Timings, WaitSegment, count_from_env, peer, pid_namespaces,
};

/// So many peers run a loop; one after the other is killed and replaced. `after` is called with the number of the victim and
/// the instant after each kill, and again without them after it was replaced, and returns how long it took until the others
/// continued.
fn torture(
    tag: &str,
    (what, count): (&str, usize),
    kills: u64,
    mut start: impl FnMut() -> Peer,
    mut after: impl FnMut(&Shm<WaitSegment>, Option<(usize, Instant)>) -> Duration,
) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut looping = |number: usize| {
        let mut peer = start();
        peer.ok(&format!("waiting attach {name}"));
        peer.tell(&format!("waiting loop {what} {number}"));
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let mut peers: Vec<Peer> = (0..count).map(&mut looping).collect();
    after(&shm, None);
    let mut instants = RandomDelays::new();
    let mut times = Vec::new();
    let begin = Instant::now();
    for number in 0..kills {
        instants.spin();
        let victim = number as usize % peers.len();
        let killed = Instant::now();
        peers[victim].kill();
        times.push(after(&shm, Some((victim, killed))));
        peers[victim] = looping(victim);
        after(&shm, None);
    }
    shm.stop.store(1, Release);
    // Peers that wait without a timeout.
    shm.event.notify_all();
    shm.posting.fetch_add(count as u64, Release);
    shm.permits.post_many(count as u32).unwrap();
    shm.posted.fetch_add(count as u64, Release);
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
        "{tag}: {kills} kills in {:?}; the others continued after: {}",
        begin.elapsed(),
        Timings::new(times)
    );
}

/// When the victim was killed, or now.
fn since(killed: Option<(usize, Instant)>) -> Instant {
    killed.map_or_else(Instant::now, |(_, killed)| killed)
}

/// Polls until the condition holds.
fn until(so: impl Fn() -> bool, start: Instant, shm: &Shm<WaitSegment>) -> Duration {
    while !so() {
        assert!(start.elapsed() < DEADLINE, "{:?}", shm.cell());
        std::thread::yield_now();
    }
    start.elapsed()
}

/// Sends a request by an event and waits for the answers of all living peers, which come by another.
fn ask(shm: &Shm<WaitSegment>, killed: Option<(usize, Instant)>) -> Duration {
    let (start, dead) = (since(killed), killed.map(|(dead, _)| dead));
    let ping = shm.ping.fetch_add(1, Release) + 1;
    shm.event.notify_all();
    loop {
        let seen = shm.answers.generation();
        let mut living = (0..3).filter(|number| Some(*number) != dead);
        if living.all(|number| shm.pongs[number].load(Acquire) == ping) {
            return start.elapsed();
        }
        shm.answers
            .wait_timeout(seen, DEADLINE)
            .unwrap_or_else(|_| panic!("{:?}", shm.cell()));
    }
}

/// A kill may lose a permit, so one is added. Then permits are taken again.
fn supply(shm: &Shm<WaitSegment>, killed: Option<(usize, Instant)>) -> Duration {
    let (start, taken) = (since(killed), shm.taken.load(Acquire));
    shm.posting.fetch_add(1, Release);
    shm.permits.post().unwrap();
    shm.posted.fetch_add(1, Release);
    let time = until(|| shm.taken.load(Acquire) > taken, start, shm);
    // Few enough that some peer has to wait.
    while shm.permits.value() > 1 && shm.permits.try_wait() {
        shm.taking.fetch_add(1, Release);
        shm.taken.fetch_add(1, Release);
    }
    time
}

/// After a kill the two others get the report, or pass the round once more and get it then. When the dead peer was replaced,
/// they continue.
fn gather(shm: &Shm<WaitSegment>, killed: Option<(usize, Instant)>) -> Duration {
    if killed.is_none() {
        return go_on(shm, None);
    }
    let died = shm.died.load(Acquire);
    until(|| shm.died.load(Acquire) > died, since(killed), shm)
}

/// Rounds pass. After a kill they do because another peer has waited for the dead one's seat.
fn go_on(shm: &Shm<WaitSegment>, killed: Option<(usize, Instant)>) -> Duration {
    let round = shm.meet.round();
    until(|| shm.meet.round() >= round + 2, since(killed), shm)
}

#[test]
fn notifications_reach_all_living_waiters() {
    let kills = count_from_env("SHM_SYNC_KILLS", 150);
    torture("event-kills", ("event", 3), kills, || peer!(), ask);
}

#[test]
fn permits_are_lost_only_with_killed_holders() {
    let kills = count_from_env("SHM_SYNC_KILLS", 60);
    torture("semaphore-kills", ("permits", 3), kills, || peer!(), supply);
}

#[test]
fn all_participants_pass_rounds_and_deaths_are_reported() {
    let kills = count_from_env("SHM_SYNC_KILLS", 60);
    torture("barrier-kills", ("meet", 3), kills, || peer!(), gather);
}

#[test]
fn waiters_get_seats_of_the_dead_and_rounds_continue() {
    let kills = count_from_env("SHM_SYNC_KILLS", 60);
    torture("barrier-seats", ("meet", 4), kills, || peer!(), go_on);
}

#[test]
fn kills_across_pid_namespaces_are_handled_alike() {
    let Some(start) = pid_namespaces(env!("CARGO_BIN_EXE_peer")) else {
        return;
    };
    let kills = count_from_env("SHM_SYNC_KILLS", 60) / 3;
    torture("event-ns", ("event", 3), kills, &start, ask);
    torture("semaphore-ns", ("permits", 3), kills, &start, supply);
    torture("barrier-ns", ("meet", 3), kills, &start, gather);
    torture("barrier-seats-ns", ("meet", 4), kills, &start, go_on);
}
