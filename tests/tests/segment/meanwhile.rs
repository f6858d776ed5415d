//! Names that another program removes, or gives to another file, between any two system calls of a process.

use std::fs;

use shm_core::segment::SegmentStatus;
use shm_core::{Shm, ShmLayout};

use shm_tests::step::change_at_call;
use shm_tests::{Names, Peer, Telemetry, peer};

/// What the other program does to the name, and what it keeps meanwhile.
type Change = fn(&str) -> Option<Shm<Telemetry>>;

/// As `rm` does, which knows no locks.
fn remove(name: &str) -> Option<Shm<Telemetry>> {
    let _ = fs::remove_file(Names::path(name));
    None
}

/// As a script does that starts a service anew.
fn replace(name: &str) -> Option<Shm<Telemetry>> {
    remove(name);
    Some(Telemetry::create(name).unwrap())
}

/// Runs a command once for each of its system calls, with a new segment each time, and changes its name there. `prepare` makes
/// the segment. Returns the answers, and whether the name led to the other program's segment afterwards.
fn at_each_call(
    tag: &str,
    command: impl Fn(&str) -> String,
    prepare: impl Fn(&mut Peer, &str) -> Option<Shm<Telemetry>>,
    change: Change,
) -> Vec<(String, bool)> {
    let names = Names::new(tag);
    let mut peer = peer!();
    let mut found = Vec::new();
    for stop in 1.. {
        let name = names.name(&format!("t{stop}"));
        let segment = prepare(&mut peer, &name);
        let mut other = None;
        let (signal, stopped) =
            change_at_call(&mut peer, &command(&name), stop, || other = change(&name));
        assert_eq!(signal, None, "{tag}, stop {stop}");
        let answer = peer.hear();
        let status = other.as_ref().map(Shm::status);
        found.push((answer, status == Some(SegmentStatus::Live)));
        peer.ok("drop s");
        drop((segment, other));
        remove(&name);
        if !stopped {
            break;
        }
    }
    assert!(found.len() > 6, "{tag}: {found:?}");
    found
}

/// A segment of this process.
fn owned(_: &mut Peer, name: &str) -> Option<Shm<Telemetry>> {
    Some(Telemetry::create(name).unwrap())
}

/// A segment of this process, to which the peer is attached.
fn attached(peer: &mut Peer, name: &str) -> Option<Shm<Telemetry>> {
    let shm = Telemetry::create(name).unwrap();
    peer.ok(&format!("open s attach {name}"));
    Some(shm)
}

/// A segment of a process that was killed.
fn orphaned(_: &mut Peer, name: &str) -> Option<Shm<Telemetry>> {
    let mut owner = peer!();
    owner.ok(&format!("open s create {name}"));
    owner.kill();
    None
}

/// A segment of the peer alone.
fn its_own(peer: &mut Peer, name: &str) -> Option<Shm<Telemetry>> {
    peer.ok(&format!("open s create {name}"));
    None
}

fn is_ok_or_not_found(answer: &str) -> bool {
    answer.starts_with("ok ") || answer.starts_with("err NotFound ")
}

#[test]
fn a_name_removed_at_any_call_is_not_found() {
    for (tag, command, prepare) in [
        (
            "rm-remove",
            "remove NAME",
            owned as fn(&mut Peer, &str) -> _,
        ),
        ("rm-attach", "open s attach NAME", owned),
        ("rm-unlink", "unlink s", attached),
        ("rm-persist", "persist s", attached),
        ("rm-adopt", "adopt s", attached),
    ] {
        let command = |name: &str| format!("between {}", command.replace("NAME", name));
        let found = at_each_call(tag, command, prepare, remove);
        let mut succeeded = false;
        for (stop, (answer, _)) in found.iter().enumerate() {
            assert!(is_ok_or_not_found(answer), "{tag}, stop {stop}: {answer}");
            // Once the call has what it wants, it no longer looks.
            assert!(answer.starts_with("ok ") >= succeeded, "{tag}: {found:?}");
            succeeded = answer.starts_with("ok ");
        }
        assert!(found[0].0.starts_with("err "), "{tag}: {found:?}");
        assert!(succeeded, "{tag}: {found:?}");
    }
}

#[test]
fn a_name_removed_at_any_call_is_no_obstacle() {
    for (tag, command, prepare) in [
        ("rm-list", "list NAME", owned as fn(&mut Peer, &str) -> _),
        ("rm-create", "open s create NAME", orphaned),
        ("rm-join", "open s join NAME", owned),
        ("rm-other", "open s join NAME samples=8", orphaned),
        ("rm-drop", "drop s", its_own),
    ] {
        let command = |name: &str| format!("between {}", command.replace("NAME", name));
        for (stop, (answer, _)) in at_each_call(tag, command, prepare, remove)
            .iter()
            .enumerate()
        {
            assert!(answer.starts_with("ok "), "{tag}, stop {stop}: {answer}");
        }
    }
}

#[test]
fn a_name_replaced_at_any_call_stays_with_its_new_segment() {
    for (tag, command, prepare) in [
        (
            "new-unlink",
            "unlink s",
            attached as fn(&mut Peer, &str) -> _,
        ),
        ("new-persist", "persist s", attached),
        ("new-adopt", "adopt s", attached),
        ("new-attach", "open s attach NAME", owned),
        ("new-join", "open s join NAME", owned),
        ("new-drop", "drop s", its_own),
    ] {
        let command = |name: &str| format!("between {}", command.replace("NAME", name));
        let found = at_each_call(tag, command, prepare, replace);
        let mut lost = 0;
        for (stop, (answer, is_live)) in found.iter().enumerate().take(found.len() - 1) {
            assert!(is_ok_or_not_found(answer), "{tag}, stop {stop}: {answer}");
            lost += usize::from(!is_live);
        }
        // Between the last look and `unlink`, since `rm` takes no lock.
        assert!(lost <= 2, "{tag}: {found:?}");
    }
}
