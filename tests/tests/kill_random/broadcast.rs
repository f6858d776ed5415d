//! Senders and receivers of a broadcast are killed at random instants.
//!
//! `SHM_SYNC_KILLS` sets the number of kills for a long run.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;
use shm_tests::{
    DEADLINE, Names, Peer, RandomDelays, SmallValue, Stats, Timings, count_from_env, peer,
    pid_namespaces,
};

/// One peer sends and another waits to replace it; others receive. One after the other is killed at a random instant.
fn torture(tag: &str, kills: u64, mut start: impl FnMut() -> Peer) {
    let names = Names::new(tag);
    let (queue, stats) = (names.name("queue"), names.name("stats"));
    let shm = Broadcast::<SmallValue, 5>::create(&queue).unwrap();
    let counts = Stats::create(&stats).unwrap();
    let mut looping = |number: usize| {
        let (attach, command) = match number {
            0 | 1 => ("attach", "loop-send"),
            2 => ("attach", "loop-recv"),
            _ => ("attach-read-only", "loop-recv"),
        };
        let mut peer = start();
        peer.ok(&format!("broadcast {attach} {queue}"));
        peer.tell(&format!("broadcast {command} {stats}"));
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let mut peers: Vec<Peer> = (0..4).map(&mut looping).collect();
    let mut instants = RandomDelays::new();
    let mut times = Vec::new();
    for number in 0..kills {
        instants.spin();
        // Senders more often.
        let victim = [0, 1, 2, 0, 1, 3][number as usize % 6];
        let killed = Instant::now();
        peers[victim].kill();
        // Whatever the dead peer held, the others send and receive.
        let sent = shm.sent();
        while shm.sent() == sent {
            assert!(killed.elapsed() < DEADLINE, "{:?}", *shm);
            std::thread::yield_now();
        }
        times.push(killed.elapsed());
        let received = counts.attached.load(Acquire);
        while counts.attached.load(Acquire) == received {
            assert!(killed.elapsed() < DEADLINE, "{:?}", *shm);
            std::thread::yield_now();
        }
        peers[victim] = looping(victim);
    }
    counts.stop.store(1, Release);
    for peer in &mut peers {
        assert!(peer.hear().starts_with("ok"));
    }
    assert_eq!(counts.torn.load(Acquire), 0, "{counts:?}");
    assert_eq!(counts.failed.load(Acquire), 0, "{counts:?}");
    println!(
        "{tag}: {kills} kills, {} sent, {} received, {} lost; from a kill to the next message: {}",
        shm.sent(),
        counts.attached.load(Acquire),
        counts.lost.load(Acquire),
        Timings::new(times)
    );
}

#[test]
fn killed_broadcast_ends_leave_whole_messages_in_order() {
    torture(
        "broadcast-kills",
        count_from_env("SHM_SYNC_KILLS", 40),
        || peer!(),
    );
}

#[test]
fn kills_across_pid_namespaces_are_handled_alike() {
    let Some(start) = pid_namespaces(env!("CARGO_BIN_EXE_peer")) else {
        return;
    };
    torture(
        "broadcast-ns",
        count_from_env("SHM_SYNC_KILLS", 40) / 3,
        start,
    );
}
