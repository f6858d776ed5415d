//! Processes of different versions: killed owners, readers that stay, and many that attach at once.

use std::sync::atomic::Ordering::Release;
use std::time::Duration;

use shm_core::ShmLayout;
use shm_core::segment::SegmentStatus;
use shm_tests::lock_bytes::{self, LEVELS};
use shm_tests::versions::{How, Place, V1, VERSIONS, open_version};
use shm_tests::{Gate, Names, Peer, Random, count_from_env, peer};

use super::Model;

/// A peer of each version.
fn programs() -> Vec<(&'static str, Peer)> {
    VERSIONS.iter().map(|version| (*version, peer!())).collect()
}

#[test]
fn processes_of_each_two_versions_share_a_segment() {
    let names = Names::new("versions-processes");
    let name = names.name("t");
    let mut creators = programs();
    let mut openers = programs();
    for (first, creator) in &mut creators {
        let path = creator.ok(&format!("version open fd {first} create fd:/dev/null"));
        let named = creator.ok(&format!("version open named {first} create {name}"));
        assert!(named.starts_with("/proc/"));
        for (slot, place) in [("fd", format!("fd:{path}")), ("named", name.clone())] {
            let mut model = Model::new(first);
            for (number, (second, opener)) in (1..).zip(&mut openers) {
                for how in ["read", "attach"] {
                    let request = format!("version open s {second} {how} {place}");
                    if model.difference(second).is_some() {
                        let text = opener.refused(&request, "LayoutMismatch");
                        assert!(text.contains("at level "), "{text}");
                        continue;
                    }
                    opener.ok(&request);
                    if how == "attach" {
                        model.announce(second);
                        assert_eq!(opener.ok(&format!("version set s a {number}")), "true");
                    }
                    let level = model.level().to_string();
                    assert_eq!(opener.ok("version level s"), level);
                    assert_eq!(creator.ok(&format!("version level {slot}")), level);
                }
                let expected = creator.ok(&format!("version get {slot} a"));
                if model.difference(second).is_none() {
                    assert_eq!(expected, number.to_string());
                    assert_eq!(opener.ok("version get s a"), expected);
                    opener.ok("version drop s");
                }
            }
        }
        creator.ok("version drop named");
        creator.ok("version drop fd");
    }
}

#[test]
fn only_an_orphan_of_another_branch_is_replaced() {
    let names = Names::new("versions-orphan");
    let name = names.name("t");
    for first in VERSIONS {
        for second in VERSIONS {
            for supersede in [false, true] {
                let mut creator = peer!("version open s {first} create {name}");
                creator.ok("version set s a 5");
                creator.kill();
                let mut model = Model::new(first);
                let fits = model.difference(second).is_none();
                let place = Place::Name(&name);
                let opened = open_version(second, How::Join, place, supersede).unwrap();
                let found = if fits {
                    model.announce(second);
                    5
                } else {
                    model = Model::new(second);
                    0
                };
                assert_eq!(opened.get("a"), Some(found), "{first} {second}");
                assert_eq!(opened.level().unwrap(), model.level());
            }
        }
    }
}

#[test]
fn only_an_ownerless_segment_of_another_branch_is_superseded() {
    let names = Names::new("versions-ownerless");
    let name = names.name("t");
    for first in VERSIONS {
        for second in VERSIONS {
            let mut creator = peer!("version open s {first} create {name}");
            creator.ok("version set s a 5");
            let reader = open_version(first, How::Read, Place::Name(&name), false).unwrap();
            creator.kill();
            assert_eq!(reader.status(), SegmentStatus::OwnerGone);
            let mut model = Model::new(first);
            let mut other = peer!();
            let join = format!("version open s {second} join {name}");
            let fits = model.difference(second).is_none();
            if fits {
                other.ok(&format!("{join} supersede"));
                model.announce(second);
                assert_eq!(other.ok("version get s a"), "5");
                assert_eq!(reader.level().unwrap(), model.level());
                assert_eq!(reader.status(), SegmentStatus::Live);
            } else {
                let text = other.refused(&join, "LayoutMismatch");
                assert!(text.contains("`supersede(true)`"), "{text}");
                other.ok(&format!("{join} supersede"));
                assert_eq!(other.ok("version get s a"), "0");
                assert_eq!(reader.status(), SegmentStatus::Superseded);
                assert_eq!(reader.get("a"), Some(5));
            }
            other.end();
        }
    }
}

#[test]
fn a_process_that_fails_to_attach_has_announced_nothing() {
    let names = Names::new("versions-refused");
    let name = names.name("t");
    let old = open_version("v0", How::Create, Place::Name(&name), false).unwrap();
    let bytes = || std::fs::read(Names::path(&name)).unwrap();
    let before = bytes();
    // All that can fail comes first: here the descriptors run out at each step.
    let mut peer = peer!();
    for descriptors in 3.. {
        peer.ok(&format!("limit files {descriptors}"));
        let answer = peer.ask(&format!("version try v4 attach {name}"));
        if answer.starts_with("ok") {
            break;
        }
        assert!(answer.starts_with("err Os"), "{answer}");
        assert!(bytes()[208..] == before[208..], "{descriptors}");
    }
    assert_eq!(old.level().unwrap(), 4);
}

#[test]
fn announcing_is_busy_while_the_lock_is_held() {
    let names = Names::new("versions-busy");
    let name = names.name("t");
    let old = open_version("v0", How::Create, Place::Name(&name), false).unwrap();
    let lock = lock_bytes::pin(&name, LEVELS, false).unwrap();
    let options = V1::options().timeout(Duration::from_millis(5));
    let text = options.attach(&name).map(drop).unwrap_err().to_string();
    assert!(
        text.contains("another process keeps its levels locked"),
        "{text}"
    );
    assert_eq!(old.level().unwrap(), 0);
    drop(lock);
    // A child that another test has just forked may still share the lock.
    let options = options.timeout(Duration::from_secs(60));
    drop(options.attach(&name).unwrap());
    assert_eq!(old.level().unwrap(), 1);
}

/// Processes of all versions attach at the same moment, and some are killed. Those that succeed agree.
///
/// `SHM_LEVEL_ROUNDS` is the number of rounds: 1,000 in the long form.
#[test]
fn all_processes_that_attach_at_once_agree() {
    const PROCESSES: usize = 64;
    let rounds = count_from_env("SHM_LEVEL_ROUNDS", 12);
    let names = Names::new("versions-race");
    let (name, gate) = (names.name("t"), names.name("gate"));
    let gate = Gate::create(&gate).unwrap();
    let mut random = Random::new(1);
    let mut peers: Vec<_> = (0..PROCESSES).map(|_| peer!()).collect();
    let (mut attached, mut refused, mut killed) = (0, 0, 0);
    for round in 1..=rounds {
        let base = open_version("v0", How::Create, Place::Name(&name), false).unwrap();
        let choices: Vec<_> = (0..PROCESSES)
            .map(|_| {
                (
                    random.pick(VERSIONS),
                    if random.one_in(4) { "read" } else { "attach" },
                )
            })
            .collect();
        for ((version, how), peer) in choices.iter().zip(&mut peers) {
            peer.tell(&format!(
                "version race {} {round} {version} {how} {name}",
                gate.name()
            ));
        }
        for peer in &mut peers {
            assert_eq!(peer.hear(), "ready");
        }
        gate.open.store(round, Release);
        for _ in 0..random.below(4) {
            let victim = random.below(PROCESSES);
            peers[victim].kill();
            peers[victim] = peer!();
            peers[victim].tell("pid");
            killed += 1;
        }
        let answers: Vec<_> = peers.iter_mut().map(Peer::hear).collect();
        let level = base.level().unwrap();
        let mut writers = Vec::new();
        for ((answer, peer), (version, how)) in answers.iter().zip(&mut peers).zip(&choices) {
            if answer == "ok " {
                // A reader may have attached before another branch was announced. A writer has announced its own.
                let found = peer.ask("version level s");
                if found.starts_with("ok") {
                    assert_eq!(found, format!("ok {level}"), "{version}");
                    attached += 1;
                    if *how == "attach" {
                        writers.push(*version);
                    }
                } else {
                    assert_eq!(*how, "read");
                    assert!(found.starts_with("err LayoutMismatch"), "{found}");
                    assert_eq!(peer.ok("version status s"), "Diverged");
                    refused += 1;
                }
                peer.ok("version drop s");
            } else if answer.starts_with("err") {
                assert!(answer.starts_with("err LayoutMismatch"), "{answer}");
                refused += 1;
            }
        }
        let newest = Model::new(
            writers
                .iter()
                .max_by_key(|version| Model::new(version).level())
                .unwrap_or(&"v0"),
        );
        for version in writers {
            assert_eq!(newest.difference(version), None, "{version}");
        }
    }
    println!("{rounds} rounds: {attached} attached, {refused} refused, {killed} killed");
    assert!(attached > 0 && refused > 0);
}
