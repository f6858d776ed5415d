//! Processes killed at random instants, over and over.

#![forbid(unsafe_code)]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Names, Peer, Stats, confined, peer};

/// Instants to kill at: not the same in every run, and as short as what they should hit.
struct Instants(u64);

impl Instants {
    fn new() -> Self {
        Self(RandomState::new().hash_one(0) | 1)
    }

    /// Burns up to a millisecond and a half.
    fn spin(&mut self) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let span = Duration::from_nanos(self.0 % 1_500_000);
        let start = Instant::now();
        while start.elapsed() < span {
            std::hint::spin_loop();
        }
    }
}

fn looping(kind: &str, name: &str, stats: &Shm<Stats>) -> Peer {
    let mut peer = peer!();
    peer.tell(&format!("{kind} {name} {}", stats.name()));
    assert_eq!(peer.hear(), "looping");
    peer
}

/// What has the name at any moment is a whole segment. A peer looks: were it this process, children that another test is
/// just forking would share its descriptor, and count as attached until they run their own program.
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

#[test]
fn a_creator_killed_at_any_instant_leaves_nothing_that_stands_in_the_way() {
    let names = Names::new("torture-one");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let name = names.name("t");
    let mut next = peer!();
    let mut instants = Instants::new();
    let start = Instant::now();
    let (mut kills, mut leftovers) = (0, 0);
    // Kills that left nothing may have come before anything was begun, so they alone prove little.
    while kills < 300 || leftovers < 10 {
        assert!(
            start.elapsed() < DEADLINE,
            "{kills} kills, {leftovers} leftovers"
        );
        kills += 1;
        let mut victim = looping("loop-create", &name, &stats);
        instants.spin();
        victim.kill();
        leftovers += u32::from(Names::exists(&name));
        look(&mut next, &name);
        next.ok(&format!("open s create {name} frame=9"));
        assert_eq!(next.ok("current s"), "true");
        next.ok("drop s");
        assert_eq!(names.left().len(), 1, "{:?}", names.left());
    }
    nothing_went_wrong(&stats);
    assert!(stats.created.load(Acquire) > 0);
}

#[test]
fn killed_creators_that_replace_each_others_leftovers_never_take_a_living_name() {
    let names = Names::new("torture-many");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let name = names.name("t");
    let mut creators: Vec<Peer> = (0..3)
        .map(|_| looping("loop-create", &name, &stats))
        .collect();
    let mut next = peer!();
    let mut attacher = looping("loop-attach", &name, &stats);
    let mut instants = Instants::new();
    let start = Instant::now();
    let mut number = 0;
    while number < 300 || stats.attached.load(Acquire) == 0 {
        assert!(start.elapsed() < DEADLINE, "{:?}", stats.cell());
        number += 1;
        let victim = number % creators.len();
        instants.spin();
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
    // Whoever was killed last may have left the name; it is no obstacle.
    next.ok(&format!("open s create {name} frame=9"));
    next.ok("drop s");
    assert_eq!(names.left().len(), 1, "{:?}", names.left());
}

/// Everything at once, in a /dev/shm that nobody else sees: what is swept there is only this test's.
///
/// `SHM_TORTURE_SECONDS` makes it go on for so long.
#[test]
fn sweepers_among_killed_creators_never_take_a_living_name() {
    let seconds = std::env::var("SHM_TORTURE_SECONDS").map_or(0, |text| {
        text.parse()
            .unwrap_or_else(|error| panic!("SHM_TORTURE_SECONDS={text}: {error}"))
    });
    let Some(host) = confined(peer!(), "own-shm size=64m") else {
        return;
    };
    let names = Names::new("torture-sweep");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let (stats_name, inside) = (stats.name(), format!("in={}", host.pid()));
    let begin = |number: usize| {
        let command = match number % 8 {
            0 | 1 => format!("loop-sweep {stats_name} {inside}"),
            2 | 3 => format!("loop-attach /{} {stats_name} {inside}", number % 4),
            _ => format!("loop-create /{} {stats_name} {inside}", number % 4),
        };
        let mut peer = peer!();
        peer.tell(&command);
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let mut crowd: Vec<Peer> = (0..8).map(begin).collect();
    let mut instants = Instants::new();
    let start = Instant::now();
    let mut kills = 0;
    let enough = |kills: u64| {
        kills >= 300
            && [&stats.swept, &stats.attached, &stats.created]
                .iter()
                .all(|count| count.load(Acquire) >= 10)
    };
    while !enough(kills) || start.elapsed() < Duration::from_secs(seconds) {
        assert!(
            enough(kills) || start.elapsed() < DEADLINE + Duration::from_secs(seconds),
            "{:?}",
            stats.cell()
        );
        let victim = (kills % 8) as usize;
        kills += 1;
        instants.spin();
        crowd[victim].kill();
        crowd[victim] = begin(victim);
    }
    stats.stop.store(1, Release);
    for mut peer in crowd {
        assert_eq!(peer.hear(), "ok ");
        peer.end();
    }
    println!("{kills} kills: {:?}", stats.cell());
    nothing_went_wrong(&stats);
    // Whatever the killed have left is gone after one more sweep.
    let mut last = host;
    last.ok("sweep");
    assert_eq!(last.ok("list-all"), "");
}
