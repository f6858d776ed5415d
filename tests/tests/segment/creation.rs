//! A name appears with a complete segment or not at all, and only one process gets it.

#![forbid(unsafe_code)]

use std::fs;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;

use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Gate, Names, Peer, Stats, Telemetry, peer};

const CROWD: u16 = 64;

/// Runs the same command in every peer at the same moment, and returns the answers.
fn race(crowd: &mut [Peer], gate: &Shm<Gate>, round: u64, how: &str, name: &str) -> Vec<String> {
    for (frame, peer) in (1..).zip(crowd.iter_mut()) {
        let frame: u16 = frame;
        peer.tell(&format!(
            "race {} {round} s {how} {name} frame={frame}",
            gate.name()
        ));
    }
    for peer in crowd.iter_mut() {
        assert_eq!(peer.hear(), "ready");
    }
    gate.open.store(round, Release);
    crowd.iter_mut().map(Peer::hear).collect()
}

#[test]
fn exactly_one_of_64_creators_wins() {
    let names = Names::new("crowd-create");
    let gate = Gate::create(&names.name("gate")).unwrap();
    let name = names.name("t");
    let mut crowd: Vec<Peer> = (0..CROWD).map(|_| peer!()).collect();
    for round in 1..=10 {
        let answers = race(&mut crowd, &gate, round, "create", &name);
        let winners: Vec<usize> = (0..answers.len())
            .filter(|number| answers[*number].starts_with("ok"))
            .collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        for (number, answer) in answers.iter().enumerate() {
            assert!(
                number == winners[0] || answer.starts_with("err AlreadyExists "),
                "{answer}"
            );
        }
        // The value is the winner's, and the losers have not changed it.
        let loser = &mut crowd[usize::from(winners[0] == 0)];
        loser.ok(&format!("open s read {name}"));
        assert_eq!(loser.ok("load s"), (winners[0] + 1).to_string());
        loser.ok("drop s");
        assert_eq!(crowd[winners[0]].ok("current s"), "true");
        // In every other round the name belongs to an orphaned segment.
        if round % 2 == 0 {
            crowd[winners[0]].ok("drop s");
            assert!(!Names::exists(&name));
        } else {
            crowd[winners[0]].kill();
            assert!(Names::exists(&name));
            crowd[winners[0]] = peer!();
        }
    }
}

#[test]
fn all_64_open_or_create_calls_get_one_segment() {
    let names = Names::new("crowd-join");
    let gate = Gate::create(&names.name("gate")).unwrap();
    let name = names.name("t");
    let mut crowd: Vec<Peer> = (0..CROWD).map(|_| peer!()).collect();
    for round in 1..=5 {
        let answers = race(&mut crowd, &gate, round, "join", &name);
        assert!(
            answers.iter().all(|answer| answer.starts_with("ok")),
            "{answers:?}"
        );
        let first = crowd[0].ok("load s");
        for peer in &mut crowd {
            assert_eq!(peer.ok("load s"), first);
        }
        // One writes and all read: equal values were no coincidence.
        crowd[round as usize].ok("store s 777");
        for peer in &mut crowd {
            assert_eq!(peer.ok("load s"), "777");
            assert_eq!(peer.ok("current s"), "true");
        }
        // The last handle removes the name, and none before it.
        let keep = (round as usize * 13) % crowd.len();
        for number in (0..crowd.len()).filter(|number| *number != keep) {
            crowd[number].ok("drop s");
        }
        assert_eq!(crowd[keep].ok("current s"), "true");
        crowd[keep].ok("drop s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn concurrent_attach_finds_nothing_or_the_initial_value() {
    const WANTED: u64 = 300;
    let names = Names::new("atomic");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let name = names.name("t");
    let (mut creator, mut attacher) = (peer!(), peer!());
    let arguments = format!("{name} {}", stats.name());
    creator.tell(&format!("loop-create {arguments} only"));
    attacher.tell(&format!("loop-attach {arguments}"));
    assert_eq!(
        (creator.hear(), attacher.hear()),
        ("looping".into(), "looping".into())
    );

    // The two run until each outcome occurred often enough; this process is the third.
    let start = Instant::now();
    while stats.attached.load(Acquire) < WANTED || stats.refused.load(Acquire) < WANTED {
        assert!(start.elapsed() < DEADLINE, "{:?}", stats.cell());
        if let Ok(shm) = Telemetry::attach(&name) {
            assert!(shm.load().is_whole(), "{:?}", shm.load());
        }
    }
    stats.stop.store(1, Release);
    assert_eq!(
        (creator.hear(), attacher.hear()),
        ("ok ".into(), "ok ".into())
    );
    assert!(stats.created.load(Acquire) > 0);
    for wrong in [&stats.torn, &stats.lost, &stats.failed] {
        assert_eq!(wrong.load(Acquire), 0, "{:?}", stats.cell());
    }
}

#[test]
fn a_panic_in_the_initialiser_leaves_no_name() {
    let names = Names::new("panic");
    let name = names.name("t");
    let mut creator = peer!();
    for how in ["create", "join"] {
        assert_eq!(
            creator.ask(&format!("open s {how} {name} during=panic")),
            "bad panicked"
        );
        assert!(!Names::exists(&name));
    }
    assert_eq!(creator.ok("fds"), "");
    creator.ok(&format!("open s create {name}"));
}

#[test]
fn a_panic_in_the_initialiser_keeps_an_orphaned_segment() {
    let names = Names::new("panic-orphaned");
    let name = names.name("t");
    let (mut killed, mut creator) = (peer!(), peer!());
    killed.ok(&format!("open s create {name} frame=8"));
    killed.kill();
    assert_eq!(
        creator.ask(&format!("open s create {name} during=panic")),
        "bad panicked"
    );
    creator.ok(&format!("open s join {name}"));
    assert_eq!(creator.ok("load s"), "8");
}

#[test]
fn a_creator_killed_before_publishing_leaves_nothing() {
    let names = Names::new("killed-inside");
    let name = names.name("t");
    let mut killed = peer!();
    assert_eq!(
        killed.ask(&format!("open s create {name} during=hold")),
        "inside"
    );
    assert!(!Names::exists(&name));
    killed.kill();
    assert_eq!(names.remaining(), Vec::<std::path::PathBuf>::new());
    peer!().ok(&format!("open s create {name}"));
}

#[test]
fn another_creator_can_publish_the_name_first() {
    let names = Names::new("overtaken");
    let name = names.name("t");
    let (mut slow, mut quick) = (peer!(), peer!());
    assert_eq!(
        slow.ask(&format!("open s create {name} frame=1 during=hold")),
        "inside"
    );
    quick.refused(&format!("open s attach {name}"), "NotFound");
    quick.ok(&format!("open s create {name} frame=2"));
    slow.refused("go on", "AlreadyExists");
    assert_eq!(quick.ok("current s"), "true");
    assert_eq!(quick.ok("load s"), "2");

    // A process that accepts an existing segment gets that of the faster one.
    quick.ok("drop s");
    assert_eq!(
        slow.ask(&format!("open s join {name} frame=1 during=hold")),
        "inside"
    );
    quick.ok(&format!("open s create {name} frame=3"));
    slow.ok("go on");
    assert_eq!(slow.ok("load s"), "3");
    quick.ok("drop s");
    assert_eq!(slow.ok("current s"), "true");
}

#[test]
fn the_initialiser_may_outlast_the_timeout() {
    let names = Names::new("slow");
    let name = names.name("t");
    let (mut slow, mut quick, mut killed) = (peer!(), peer!(), peer!());
    for how in ["create", "join"] {
        // A timeout of zero has always expired when the closure returns.
        let open = format!("open s {how} {name} frame=1 timeout=0 during=hold");
        assert_eq!(slow.ask(&open), "inside");
        slow.ok("go on");
        assert_eq!(slow.ok("load s"), "1");
        slow.ok("drop s");
    }
    let join = format!("open s join {name} frame=1 timeout=0 during=hold");
    assert_eq!(slow.ask(&join), "inside");
    quick.ok(&format!("open s create {name} frame=2"));
    slow.ok("go on");
    assert_eq!(slow.ok("load s"), "2");
    slow.ok("drop s");
    quick.ok("drop s");

    // An orphaned segment that appeared meanwhile does not interfere.
    for how in ["create", "join"] {
        let open = format!("open s {how} {name} frame=1 timeout=0 during=hold");
        assert_eq!(slow.ask(&open), "inside");
        killed.ok(&format!("open s create {name} frame=3"));
        killed.kill();
        killed = peer!();
        slow.ok("go on");
        assert_eq!(slow.ok("load s"), "1");
        slow.ok("drop s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn an_orphaned_segment_is_replaced_or_joined_never_both() {
    let names = Names::new("crowd-orphaned");
    let gate = Gate::create(&names.name("gate")).unwrap();
    let name = names.name("t");
    let mut crowd: Vec<Peer> = (0..8).map(|_| peer!()).collect();
    let (mut replaced, mut joined) = (0, 0);
    let start = Instant::now();
    let mut round = 0;
    while round < 200 || replaced < 10 || joined < 10 {
        assert!(
            start.elapsed() < DEADLINE,
            "{replaced} replaced, {joined} joined"
        );
        round += 1;
        let mut killed = peer!();
        killed.ok(&format!("open s create {name} frame=999"));
        killed.kill();
        for (number, peer) in crowd.iter_mut().enumerate() {
            // In turn, as on one processor the first always wins.
            let how = ["create", "join"][(number + round as usize) % 2];
            peer.tell(&format!(
                "race {} {round} s {how} {name} frame={number}",
                gate.name()
            ));
        }
        for peer in &mut crowd {
            assert_eq!(peer.hear(), "ready");
        }
        gate.open.store(round, Release);
        let answers: Vec<String> = crowd.iter_mut().map(Peer::hear).collect();
        let mut frames = Vec::new();
        for (peer, answer) in crowd.iter_mut().zip(&answers) {
            if answer.starts_with("ok") {
                // Its users keep it: nobody replaced a segment that another process had already joined.
                assert_eq!(peer.ok("current s"), "true", "{answers:?}");
                frames.push(peer.ok("load s"));
            } else {
                assert!(answer.starts_with("err AlreadyExists "), "{answer}");
            }
        }
        frames.dedup();
        match frames.as_slice() {
            [frame] if frame == "999" => joined += 1,
            [_] => replaced += 1,
            _ => panic!("{frames:?} of {answers:?}"),
        }
        for (peer, answer) in crowd.iter_mut().zip(&answers) {
            if answer.starts_with("ok") {
                peer.ok("drop s");
            }
        }
        assert!(!Names::exists(&name));
    }
}

/// By the number of the file: the name in the map is that of the file when it was mapped, which had none.
#[test]
fn tools_find_the_creators_mapping_by_its_inode() {
    use std::os::unix::fs::MetadataExt;

    let names = Names::new("maps");
    let name = names.name("t");
    let _shm = Telemetry::create(&name).unwrap();
    let inode = fs::metadata(Names::path(&name)).unwrap().ino().to_string();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapped: Vec<&str> = maps
        .lines()
        .filter(|line| line.split_ascii_whitespace().nth(4) == Some(&inode))
        .collect();
    assert_eq!(mapped.len(), 1, "{maps}");
    let path = mapped[0].split_ascii_whitespace().nth(5).unwrap();
    assert!(
        path == Names::path(&name).to_str().unwrap() || path == format!("/dev/shm/#{inode}"),
        "{path}"
    );
}
