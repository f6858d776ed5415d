//! Creators are killed at random instants.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use shm_core::{Shm, ShmLayout};
use shm_tests::{
    DEADLINE, Gate, Ledger, Names, Patience, Peer, RandomDelays, Stats, count_from_env, peer,
    with_restriction,
};

/// As long as a few creations take.
const SOME_CREATIONS: Duration = Duration::from_micros(1500);

fn looping(kind: &str, name: &str, stats: &Shm<Stats>) -> Peer {
    let mut peer = peer!();
    peer.tell(&format!("{kind} {name} {}", stats.name()));
    assert_eq!(peer.hear(), "looping");
    peer
}

/// The name always leads to a whole segment. A peer checks this: if this process did, children that another test is starting
/// would share its descriptor, and count as attached until they run their program.
fn look(observer: &mut Peer, name: &str) {
    let answer = observer.ask(&format!("open look read {name}"));
    if answer.starts_with("ok") {
        observer.ok("load look");
        observer.ok("drop look");
    } else {
        assert!(answer.starts_with("err NotFound "), "{answer}");
    }
}

fn nothing_went_wrong(stats: &Shm<Stats>) {
    for wrong in [&stats.torn, &stats.lost, &stats.failed] {
        assert_eq!(wrong.load(Acquire), 0, "{:?}", stats.cell());
    }
}

/// Half of the creators begin at a known instant and create once; the others create repeatedly, so that kills also hit them
/// while they drop the handle.
///
/// `SHM_CREATE_KILLS` sets the number of kills.
#[test]
fn a_creator_killed_at_any_instant_blocks_no_successor() {
    /// Slightly longer than a creation takes.
    const LONGEST: Duration = Duration::from_micros(300);
    let wanted = count_from_env("SHM_CREATE_KILLS", 300);
    let names = Names::new("torture-one");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let gate = Gate::create(&names.name("gate")).unwrap();
    let name = names.name("t");
    let mut next = peer!();
    let mut instants = RandomDelays::new();
    let start = Instant::now();
    let mut patience = Patience::new(LONGEST);
    let longest = DEADLINE + Duration::from_millis(100) * wanted as u32;
    let (mut kills, mut orphaned) = (0, 0);
    // Kills that left nothing may have come before the creation began, so they alone prove little.
    while kills < wanted || orphaned < 10 {
        assert!(
            start.elapsed() < longest,
            "{kills} kills, {orphaned} orphaned"
        );
        kills += 1;
        let mut victim = if kills % 2 == 0 {
            looping("loop-create", &name, &stats)
        } else {
            let mut victim = peer!();
            victim.tell(&format!(
                "race {} {kills} s create {name} frame=3",
                gate.name()
            ));
            assert_eq!(victim.hear(), "ready");
            gate.open.store(kills, Release);
            victim
        };
        instants.spin_up_to(patience.longest());
        victim.kill();
        let is_orphaned = Names::exists(&name);
        orphaned += u64::from(is_orphaned);
        patience.learn(!is_orphaned);
        look(&mut next, &name);
        next.ok(&format!("open s create {name} frame=9"));
        assert_eq!(next.ok("current s"), "true");
        next.ok("drop s");
        // Those of this test.
        assert_eq!(names.remaining().len(), 2, "{:?}", names.remaining());
    }
    nothing_went_wrong(&stats);
    assert!(stats.created.load(Acquire) > 0);
    println!(
        "{kills} kills left {orphaned} orphaned segments, all complete, and nothing after the next create; {:?}",
        start.elapsed()
    );
}

#[test]
fn creators_replacing_orphans_never_take_a_live_name() {
    let names = Names::new("torture-many");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let name = names.name("t");
    let mut creators: Vec<Peer> = (0..3)
        .map(|_| looping("loop-create", &name, &stats))
        .collect();
    let mut next = peer!();
    let mut attacher = looping("loop-attach", &name, &stats);
    let mut instants = RandomDelays::new();
    let start = Instant::now();
    let mut number = 0;
    while number < 300 || stats.attached.load(Acquire) == 0 {
        assert!(start.elapsed() < DEADLINE, "{:?}", stats.cell());
        number += 1;
        let victim = number % creators.len();
        instants.spin_up_to(SOME_CREATIONS);
        creators[victim].kill();
        look(&mut next, &name);
        creators[victim] = looping("loop-create", &name, &stats);
        if number % 10 == 0 {
            attacher.kill();
            attacher = looping("loop-attach", &name, &stats);
        }
    }
    stats.stop.store(1, Release);
    for mut peer in creators.into_iter().chain([attacher]) {
        assert_eq!(peer.hear(), "ok ");
        peer.end();
    }
    nothing_went_wrong(&stats);
    for seen in [&stats.created, &stats.attached, &stats.refused] {
        assert!(seen.load(Acquire) > 0, "{:?}", stats.cell());
    }
    // The last killed process may have left the name, which blocks nobody.
    next.ok(&format!("open s create {name} frame=9"));
    next.ok("drop s");
    assert_eq!(names.remaining().len(), 1, "{:?}", names.remaining());
}

/// Everything at once, in a private /dev/shm, so that sweeps affect only this test.
///
/// `SHM_TORTURE_SECONDS` sets the duration.
#[test]
fn sweeps_among_killed_creators_never_take_a_live_name() {
    let wanted = Duration::from_secs(count_from_env("SHM_TORTURE_SECONDS", 0));
    let Some(mut host) = with_restriction(peer!(), "own-shm size=64m") else {
        return;
    };
    let names = Names::new("torture-sweep");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let ledger = Ledger::create(&names.name("ledger")).unwrap();
    let begin = |seat: usize| {
        let mut peer = peer!();
        peer.tell(&format!(
            "loop-random {} {} {seat} in={}",
            stats.name(),
            ledger.name(),
            host.pid()
        ));
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let seats = ledger.rounds.len();
    let mut crowd: Vec<Peer> = (0..seats).map(begin).collect();
    let mut instants = RandomDelays::new();
    let start = Instant::now();
    let mut kills = 0;
    let enough = |kills: usize| {
        let seen = [
            &stats.created,
            &stats.attached,
            &stats.swept,
            &ledger.joined,
            &ledger.unlinked,
            &ledger.replaced,
            &ledger.owned,
            &ledger.kept,
        ];
        kills >= 300
            && seen.iter().all(|count| count.load(Acquire) >= 10)
            // No process waits forever, whichever was killed.
            && ledger.rounds.iter().all(|count| count.load(Acquire) >= 100)
    };
    while !enough(kills) || start.elapsed() < wanted {
        assert!(
            enough(kills) || start.elapsed() < DEADLINE + wanted,
            "{:?} {:?}",
            stats.cell(),
            ledger.cell()
        );
        let victim = kills % seats;
        kills += 1;
        instants.spin_up_to(SOME_CREATIONS);
        let before: Vec<u64> = rounds(&ledger);
        crowd[victim].kill();
        crowd[victim] = begin(victim);
        // Sometimes what the dead left stays for a while, in everyone's way.
        if kills.is_multiple_of(50) {
            let killed = Instant::now();
            while rounds(&ledger)
                .iter()
                .zip(&before)
                .any(|(now, before)| now == before)
            {
                assert!(
                    killed.elapsed() < DEADLINE,
                    "{before:?} {:?}",
                    ledger.cell()
                );
                std::thread::yield_now();
            }
        }
    }
    stats.stop.store(1, Release);
    for mut peer in crowd {
        assert_eq!(peer.hear(), "ok ");
        peer.end();
    }
    println!("{kills} kills: {:?} {:?}", stats.cell(), ledger.cell());
    nothing_went_wrong(&stats);
    // One more sweep removes what the killed processes left.
    host.ok("sweep");
    assert_eq!(host.ok("list-all"), "");
}

/// The rounds that each process has completed.
fn rounds(ledger: &Shm<Ledger>) -> Vec<u64> {
    ledger
        .rounds
        .iter()
        .map(|count| count.load(Acquire))
        .collect()
}
