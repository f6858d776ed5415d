//! Publishers that are killed and restarted while their readers stay, and readers that start first.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use shm_core::{Shm, ShmLayout};
use shm_tests::lock_bytes::{NAME, OWNER, is_locked_exclusively};
use shm_tests::{
    DEADLINE, Gate, Names, Patience, Peer, RandomDelays, Stats, Telemetry, TelemetryWide,
    count_from_env, peer,
};

/// A segment of `frame=1` whose owner was killed, and a reader that is still attached to it.
fn abandoned(name: &str) -> Peer {
    let (mut publisher, mut reader) = (peer!(), peer!());
    publisher.ok(&format!("open s create {name} frame=1 supersede=yes"));
    reader.ok(&format!("open r read {name}"));
    publisher.kill();
    reader
}

#[test]
fn a_restarted_publisher_leaves_old_readers_their_segment() {
    let names = Names::new("supersede");
    let name = names.name("t");
    let (mut publisher, mut reader, mut writer) = (peer!(), peer!(), peer!());
    publisher.ok(&format!("open s create {name} frame=1"));
    reader.ok(&format!("open s read {name}"));
    writer.ok(&format!("open s attach {name}"));
    assert_eq!(reader.ok("owned s"), "true");
    publisher.kill();
    for peer in [&mut reader, &mut writer] {
        assert_eq!(
            (peer.ok("owned s"), peer.ok("current s")),
            ("false".into(), "true".into())
        );
    }

    let mut again = peer!();
    let text = again.refused(&format!("open s create {name}"), "AlreadyExists");
    assert!(text.contains("`supersede(true)`"), "{text}");
    again.ok(&format!("open s create {name} frame=2 supersede=yes"));
    for peer in [&mut reader, &mut writer] {
        assert_eq!(
            (peer.ok("owned s"), peer.ok("current s")),
            ("false".into(), "false".into())
        );
        assert_eq!(peer.ok("load s"), "1");
        peer.ok(&format!("open new read {name}"));
        assert_eq!(
            (peer.ok("load new"), peer.ok("owned new")),
            ("2".into(), "true".into())
        );
    }
    // The readers keep the old one, and neither its use nor its drop affects the new one.
    writer.ok("store s 7");
    assert_eq!(reader.ok("load s"), "7");
    writer.end();
    reader.ok("drop s");
    assert_eq!(again.ok("current s"), "true");
    again.end();
    assert_eq!(reader.ok("current new"), "false");
    assert!(!Names::exists(&name));
}

#[test]
fn a_restarted_publisher_may_change_the_layout() {
    let names = Names::new("supersede-wide");
    let name = names.name("t");
    let mut reader = abandoned(&name);
    let mut again = peer!();
    again.refused(&format!("open s create {name} type=wide"), "AlreadyExists");
    again.ok(&format!("open s create {name} type=wide supersede=yes"));
    again.ok("store s 2");
    assert_eq!(
        (reader.ok("load r"), reader.ok("current r")),
        ("1".into(), "false".into())
    );
    reader.refused(&format!("open r read {name}"), "LayoutMismatch");
    reader.ok(&format!("open wide attach {name} type=wide"));
    assert_eq!(reader.ok("load wide"), "2");
}

#[test]
fn a_living_owner_is_never_superseded() {
    let names = Names::new("supersede-living");
    let name = names.name("t");
    let mut other = peer!();
    let refused = |other: &mut Peer, existing: &str| {
        let text = other.refused(
            &format!("open n create {name} supersede=yes"),
            "AlreadyExists",
        );
        assert!(text.contains(existing), "{text}");
    };
    // A stopped process is not dead.
    let mut owner = peer!();
    owner.ok(&format!("open s create {name} frame=3"));
    owner.stop();
    refused(&mut other, "a live segment");
    owner.kill();

    // So is one that has become the owner of an orphaned or ownerless segment.
    let (mut first, mut second, mut reader) = (peer!(), peer!(), peer!());
    first.ok(&format!("open s join {name}"));
    reader.ok(&format!("open s read {name}"));
    second.ok(&format!("open s join {name}"));
    first.kill();
    refused(&mut other, "a live segment");
    assert_eq!(
        (reader.ok("load s"), reader.ok("owned s")),
        ("3".into(), "true".into())
    );
    second.kill();
    assert_eq!(reader.ok("owned s"), "false");
    first = peer!();
    first.ok(&format!("open s join {name} supersede=yes"));
    assert_eq!(
        (first.ok("load s"), reader.ok("owned s")),
        ("3".into(), "true".into())
    );
    refused(&mut other, "a live segment");

    // A fork child that continues with its parent's handle keeps it alive.
    first.ok("fork-continue");
    first.kill();
    assert_eq!(
        (first.ok("owned s"), reader.ok("owned s")),
        ("true".into(), "true".into())
    );
    refused(&mut other, "a live segment");
    first.ok("drop s");
    assert_eq!(reader.ok("owned s"), "false");

    first.ok(&format!("open s join {name}"));
    first.ok("persist s");
    assert_eq!(reader.ok("owned s"), "false");
    first.kill();
    refused(&mut other, "a persistent segment");
    other.ok(&format!("remove {name}"));
}

/// The round's two requests, sent at the same moment, and their answers.
fn race(gate: &Shm<Gate>, round: u64, peers: &mut [Peer; 2], requests: [&str; 2]) -> [String; 2] {
    for (peer, request) in peers.iter_mut().zip(requests) {
        peer.tell(&format!("race {} {round} s {request}", gate.name()));
        assert_eq!(peer.hear(), "ready");
    }
    gate.open.store(round, Release);
    let [one, two] = peers;
    [one.hear(), two.hear()]
}

#[test]
fn one_of_two_restarted_publishers_gets_the_name() {
    let names = Names::new("supersede-two");
    let name = names.name("t");
    let gate = Gate::create(&names.name("gate")).unwrap();
    let mut peers = [peer!(), peer!()];
    let request = format!("create {name} frame=2 supersede=yes");
    for round in 1..=50 {
        let mut reader = abandoned(&name);
        let answers = race(&gate, round, &mut peers, [&request, &request]);
        let winner = usize::from(answers[0] != "ok ");
        assert_eq!(answers[winner], "ok ", "{answers:?}");
        assert!(
            answers[1 - winner].starts_with("err AlreadyExists "),
            "{answers:?}"
        );
        assert_eq!(
            (reader.ok("current r"), reader.ok("load r")),
            ("false".into(), "1".into())
        );
        assert_eq!(peers[winner].ok("current s"), "true");
        peers[winner].ok("drop s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn open_during_supersede_never_owns_an_unnamed_segment() {
    let names = Names::new("supersede-join");
    let name = names.name("t");
    let gate = Gate::create(&names.name("gate")).unwrap();
    let mut peers = [peer!(), peer!()];
    let requests = [
        format!("create {name} frame=2 supersede=yes"),
        format!("join {name} frame=3"),
    ];
    for round in 1..=50 {
        let mut reader = abandoned(&name);
        let answers = race(&gate, round, &mut peers, [&requests[0], &requests[1]]);
        let [publisher, joiner] = &mut peers;
        assert_eq!(answers[1], "ok ");
        let joined = joiner.ok("load s");
        if answers[0] == "ok " {
            assert_eq!(
                (joined.as_str(), reader.ok("current r").as_str()),
                ("2", "false")
            );
            assert_eq!(publisher.ok("current s"), "true");
        } else {
            assert!(answers[0].starts_with("err AlreadyExists "), "{answers:?}");
            // Either the old one, or its own: in between the name was free.
            let current = reader.ok("current r");
            assert!(
                matches!(
                    (joined.as_str(), current.as_str()),
                    ("1", "true") | ("3", "false")
                ),
                "{joined} {current}"
            );
        }
        publisher.ok("drop s");
        assert_eq!(
            (joiner.ok("current s"), joiner.ok("owned s")),
            ("true".into(), "true".into())
        );
        joiner.ok("drop s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn a_publisher_killed_in_supersede_can_be_replaced() {
    let names = Names::new("supersede-middle");
    let name = names.name("t");
    let mut reader = abandoned(&name);
    let (mut pinning, mut superseding, mut other) = (peer!(), peer!(), peer!());
    // Normally this takes a moment; here the peer has to wait in the middle.
    pinning.ok(&format!("pin {name} {NAME} shared"));
    superseding.tell(&format!(
        "open s create {name} frame=2 supersede=yes timeout=100000"
    ));
    let start = Instant::now();
    while !is_locked_exclusively(&name, OWNER).unwrap() {
        assert!(start.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    other.refused(&format!("open s join {name} timeout=3"), "Busy");
    other.refused(
        &format!("open s create {name} supersede=yes timeout=3"),
        "Busy",
    );
    other.ok(&format!("open s read {name}"));
    assert_eq!(
        (other.ok("load s"), reader.ok("owned r")),
        ("1".into(), "false".into())
    );
    superseding.kill();
    assert_eq!(
        (other.ok("current s"), reader.ok("current r")),
        ("true".into(), "true".into())
    );
    other.ok(&format!("open owner join {name}"));
    assert_eq!(reader.ok("owned r"), "true");
    // The owner leaves, except for the name, which another process keeps locked.
    other.ok("drop owner");
    assert_eq!(
        (reader.ok("owned r"), reader.ok("current r")),
        ("false".into(), "true".into())
    );
    pinning.kill();
    other.ok(&format!("open n create {name} frame=4 supersede=yes"));
    assert_eq!(
        (reader.ok("current r"), reader.ok("load r")),
        ("false".into(), "1".into())
    );
}

/// `SHM_CREATE_KILLS` sets the number of kills.
#[test]
fn supersede_killed_at_any_instant_blocks_no_successor() {
    /// Slightly longer than it takes.
    const LONGEST: Duration = Duration::from_micros(1200);
    let wanted = count_from_env("SHM_CREATE_KILLS", 200);
    let names = Names::new("supersede-kills");
    let name = names.name("t");
    let gate = Gate::create(&names.name("gate")).unwrap();
    let mut next = peer!();
    let mut instants = RandomDelays::new();
    let mut patience = Patience::new(LONGEST);
    let start = Instant::now();
    let longest = DEADLINE + Duration::from_millis(100) * wanted as u32;
    let (mut kills, mut before, mut nameless, mut after) = (0, 0, 0, 0);
    // Kills that came too early or too late prove little.
    while kills < wanted || before == 0 || after == 0 {
        assert!(
            start.elapsed() < longest,
            "{kills}: {before} {nameless} {after}"
        );
        kills += 1;
        let mut reader = abandoned(&name);
        let mut victim = peer!();
        victim.tell(&format!(
            "race {} {kills} s create {name} frame=2 supersede=yes",
            gate.name()
        ));
        assert_eq!(victim.hear(), "ready");
        gate.open.store(kills, Release);
        instants.spin_up_to(patience.longest());
        victim.kill();

        assert_eq!(reader.ok("load r"), "1");
        let too_early = reader.ok("current r") == "true";
        patience.learn(too_early);
        if too_early {
            before += 1;
            assert_eq!(reader.ok("owned r"), "false");
        } else if Names::exists(&name) {
            after += 1;
            reader.ok(&format!("open new read {name}"));
            assert_eq!(
                (reader.ok("load new"), reader.ok("owned new")),
                ("2".into(), "false".into())
            );
        } else {
            nameless += 1;
        }
        next.ok(&format!("open s create {name} frame=9 supersede=yes"));
        assert_eq!(
            (next.ok("current s"), next.ok("load s")),
            ("true".into(), "9".into())
        );
        assert_eq!(
            (reader.ok("current r"), reader.ok("load r")),
            ("false".into(), "1".into())
        );
        next.ok("drop s");
        // That of the gate.
        assert_eq!(names.remaining().len(), 1, "{:?}", names.remaining());
    }
    println!(
        "{kills} kills: {before} before the name was taken, {nameless} between, {after} after it was given; {:?}",
        start.elapsed()
    );
}

#[test]
fn restarted_publishers_never_take_a_live_name() {
    let names = Names::new("supersede-many");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let name = names.name("t");
    let begin = |what: &str| {
        let mut peer = peer!();
        let (how, way) = what.split_once(' ').unwrap();
        peer.tell(&format!("{how} {name} {} {way}", stats.name()));
        assert_eq!(peer.hear(), "looping");
        peer
    };
    // A quarter of the opens join, and what the readers hold is ownerless once its creator is killed.
    let crowd = ["loop-create supersede"; 3].into_iter();
    let crowd = crowd.chain(["loop-attach hold"; 2]);
    let mut crowd: Vec<(&str, Peer)> = crowd.map(|what| (what, begin(what))).collect();
    let mut instants = RandomDelays::new();
    let start = Instant::now();
    let mut kills = 0;
    while kills < 200 || stats.attached.load(Acquire) < 10 || stats.created.load(Acquire) < 10 {
        assert!(start.elapsed() < DEADLINE, "{:?}", stats.cell());
        let victim = kills % 4;
        kills += 1;
        instants.spin_up_to(Duration::from_micros(1500));
        let (what, peer) = &mut crowd[victim];
        peer.kill();
        *peer = begin(what);
    }
    stats.stop.store(1, Release);
    for (_, mut peer) in crowd {
        assert_eq!(peer.hear(), "ok ");
        peer.end();
    }
    for wrong in [&stats.torn, &stats.lost, &stats.failed] {
        assert_eq!(wrong.load(Acquire), 0, "{:?}", stats.cell());
    }
    let mut next = peer!();
    next.ok(&format!("open s create {name} frame=9"));
    next.ok("drop s");
    assert_eq!(names.remaining().len(), 1, "{:?}", names.remaining());
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn attach_can_wait_for_the_name_to_appear() {
    use shm_tests::step::until_asleep;
    let names = Names::new("wait");
    let name = names.name("t");
    let (mut publisher, mut reader, mut writer) = (peer!(), peer!(), peer!());
    let text = reader.refused(&format!("open s read {name} wait=5"), "NotFound");
    assert!(text.contains("`wait`"), "{text}");
    reader.tell(&format!("open s read {name} wait=ever"));
    // `timeout` does not limit this wait.
    writer.tell(&format!("open s attach {name} wait=100000 timeout=0"));
    for peer in [&reader, &writer] {
        until_asleep(peer.pid());
    }
    publisher.ok(&format!("open s create {name} frame=5"));
    for peer in [&mut reader, &mut writer] {
        assert_eq!(peer.hear(), "ok ");
        assert_eq!(
            (peer.ok("load s"), peer.ok("current s")),
            ("5".into(), "true".into())
        );
    }
    // It does not wait if the name leads to something that cannot be attached to.
    reader.refused(
        &format!("open wide attach {name} type=wide wait=ever"),
        "LayoutMismatch",
    );

    // A waiting process can be killed as well.
    publisher.ok("drop s");
    writer.tell(&format!("open s attach {name} wait=ever"));
    until_asleep(writer.pid());
    writer.kill();
    publisher.ok(&format!("open s create {name}"));
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn attach_sleeps_until_the_name_appears() {
    use shm_tests::step::{Stepper, until_asleep};
    let names = Names::new("wait-asleep");
    let name = names.name("t");
    let (mut publisher, mut reader) = (peer!(), peer!());
    let command = format!("between open s read {name} wait=ever");
    let mut steps = Stepper::begin(&mut reader, &command);
    // It never looks from time to time.
    while !steps.is_at(libc::SYS_ppoll) {
        assert!(!steps.is_at_sleep());
        assert!(steps.step());
    }
    publisher.ok(&format!("open s create {name}"));
    while steps.step() {
        assert!(!steps.is_at_sleep());
    }
    assert_eq!(steps.finish(), "ok ");

    // Where the system does not report names it has to.
    publisher.ok("drop s");
    reader.ok("forbid inotify");
    reader.tell(&format!("open s read {name} wait=ever"));
    until_asleep(reader.pid());
    publisher.ok(&format!("open s create {name}"));
    assert_eq!(reader.hear(), "ok ");
}

/// A peer waits with `call` until another one drops the segment `existing`, which has the name. Without a wait, or after a short
/// one, the call is refused with `error`. Returns both peers; the second has the name then.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn waits_for_a_live_segment(name: &str, existing: &str, call: &str, error: &str) -> (Peer, Peer) {
    use shm_tests::step::until_asleep;
    let (mut old, mut new) = (peer!(), peer!());
    old.ok(&format!("open s create {name} {existing} frame=5"));
    for wait in ["", "wait=5"] {
        let text = new.refused(&format!("open s {call} {name} {wait}"), error);
        assert!(text.contains("`wait(..)`"), "{text}");
    }
    // `timeout` does not limit this wait.
    new.tell(&format!("open s {call} {name} frame=6 wait=ever timeout=0"));
    until_asleep(new.pid());
    assert_eq!(old.ok("current s"), "true");
    old.ok("drop s");
    assert_eq!(new.hear(), "ok ");
    assert_eq!(
        (new.ok("load s"), new.ok("owned s")),
        ("6".into(), "true".into())
    );
    (old, new)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn create_can_wait_for_a_live_segment_to_end() {
    let names = Names::new("wait-create");
    let name = names.name("t");
    let (mut old, mut new) = waits_for_a_live_segment(&name, "", "create", "AlreadyExists");

    // It waits for nothing but a live segment.
    new.ok("persist s");
    let text = old.refused(&format!("open s create {name} wait=ever"), "AlreadyExists");
    assert!(text.contains("persistent"), "{text}");
    new.ok("unlink s");
}

/// A peer waits with `call` while another one, which drops the segment `existing`, is stopped before or after one of its system
/// calls. `timeout` does not limit this wait, however long the name is locked to be removed.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn waits_for_an_owner_that_is_slow_to_leave(name: &str, existing: &str, call: &str) {
    use shm_tests::step::{Stepper, answer_or_sleep};
    for stop in 1.. {
        let (mut old, mut new) = (peer!(), peer!());
        old.ok(&format!("open s create {name} {existing}"));
        let mut steps = Stepper::begin(&mut old, "between drop s");
        let leaves = (0..stop).all(|_| steps.step());
        new.tell(&format!("open s {call} {name} wait=ever timeout=0"));
        // The name may be free already.
        let answer = answer_or_sleep(&mut new);
        assert_eq!(steps.finish(), "ok ");
        let answer = answer.unwrap_or_else(|| new.hear());
        assert_eq!(answer, "ok ", "at stop {stop}");
        assert_eq!(new.ok("owned s"), "true");
        if !leaves {
            assert!(stop > 8, "dropping takes {stop} stops");
            return;
        }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn create_waits_for_an_owner_at_any_step_of_leaving() {
    let names = Names::new("slow-create");
    waits_for_an_owner_that_is_slow_to_leave(&names.name("t"), "", "create");
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn open_waits_for_an_owner_at_any_step_of_leaving() {
    let names = Names::new("slow-open");
    waits_for_an_owner_that_is_slow_to_leave(&names.name("t"), "", "join");
    waits_for_an_owner_that_is_slow_to_leave(&names.name("wide"), "type=wide", "join");
}

/// Opens the name in the microseconds after its owner is killed, with and without `supersede`. A segment that is still attached
/// is not current after that.
fn bridges_the_end_of_a_killed_owner<T: ShmLayout>(name: &str, open: impl Fn(bool) -> Shm<T>) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    for supersede in [false, true] {
        let mut owner = peer!();
        owner.ok(&format!("open s create {name}"));
        let attached = supersede.then(|| Telemetry::attach(name).unwrap());
        // Not yet torn down, as `Peer::kill` would see to.
        kill(Pid::from_raw(owner.pid().cast_signed()), Signal::SIGKILL).unwrap();
        let next = open(supersede);
        assert!(next.is_current() && next.has_owner());
        assert!(attached.is_none_or(|old| !old.is_current()));
        owner.kill();
    }
}

#[test]
fn create_bridges_the_end_of_a_killed_owner() {
    let names = Names::new("bridge");
    let name = names.name("t");
    bridges_the_end_of_a_killed_owner(&name, |supersede| {
        let options = Telemetry::options().supersede(supersede).wait(DEADLINE);
        options.create(&name).unwrap()
    });
}

#[test]
fn open_of_another_layout_bridges_the_end_of_a_killed_owner() {
    let names = Names::new("bridge-open");
    let name = names.name("t");
    bridges_the_end_of_a_killed_owner(&name, |supersede| {
        // `timeout` does not limit this wait.
        let options = TelemetryWide::options().timeout(Duration::ZERO);
        let options = options.supersede(supersede).wait(DEADLINE);
        options.open_or_create(&name).unwrap()
    });
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn open_can_wait_for_a_segment_of_another_layout_to_end() {
    let names = Names::new("wait-open");
    let name = names.name("t");
    let (_old, mut new) = waits_for_a_live_segment(&name, "type=wide", "join", "LayoutMismatch");

    // It waits for nothing but a live segment.
    new.ok("persist s");
    let error = TelemetryWide::options()
        .wait(Duration::MAX)
        .open_or_create(&name)
        .unwrap_err();
    assert!(error.to_string().contains("`unlink`"), "{error}");
    new.ok("unlink s");
}
