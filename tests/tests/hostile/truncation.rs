//! A peer that shortens a segment's file while another process attaches to it, at each of its system calls.

use std::fs;

use nix::sys::signal::Signal;
use shm_core::ShmLayout;

use shm_tests::step::change_at_call;
use shm_tests::versions::{How, Place, open_version};
use shm_tests::{Guarded, Names, Telemetry, peer};

/// Runs `command` once for each of its system calls, and cuts the file of `name` there. Returns the signals that ended it.
fn signals(name: &str, command: &str) -> Vec<Signal> {
    cut_at_each_call(name, command).0
}

/// The same, and which of the runs that were cut succeeded.
fn cut_at_each_call(name: &str, command: &str) -> (Vec<Signal>, Vec<bool>) {
    let path = Names::path(name);
    let contents = fs::read(&path).unwrap();
    let (mut signals, mut succeeded) = (Vec::new(), Vec::new());
    let mut peer = peer!();
    // After its answer, it has finished starting.
    peer.ok("pid");
    for stop in 1.. {
        let cut = || drop(fs::write(&path, b""));
        let (signal, stopped) = change_at_call(&mut peer, command, stop, cut);
        fs::write(&path, &contents).unwrap();
        if let Some(signal) = signal {
            signals.push(signal);
            peer = peer!();
            peer.ok("pid");
            continue;
        }
        let answer = peer.hear();
        assert!(
            answer.starts_with("ok ") || answer.starts_with("err "),
            "stop {stop}: {answer}"
        );
        if !stopped {
            assert!(stop > 10, "{stop}");
            return (signals, succeeded);
        }
        succeeded.push(answer.starts_with("ok "));
    }
    unreachable!("the loop has no end");
}

#[test]
fn attaching_without_claims_survives_truncation() {
    let names = Names::new("cut");
    let name = names.name("t");
    let shm = Telemetry::create(&name).unwrap();
    for how in ["attach", "read"] {
        assert_eq!(signals(&name, &format!("between open s {how} {name}")), []);
    }
    drop(shm);
}

/// Announcing reads and writes through the descriptor only.
#[test]
fn announcing_levels_survives_truncation() {
    let names = Names::new("cut-levels");
    let name = names.name("t");
    for first in ["v0", "v1"] {
        let shm = open_version(first, How::Create, Place::Name(&name), false).unwrap();
        let command = format!("between version try v2 attach {name}");
        let (signals, succeeded) = cut_at_each_call(&name, &command);
        assert_eq!(signals, []);
        // Only a cut after its last look goes unnoticed.
        assert!(succeeded.is_sorted(), "{succeeded:?}");
        assert!(!succeeded[succeeded.len() / 2], "{succeeded:?}");
        drop(shm);
    }
}

/// Registering moves the counter in the header through the mapping, which is an access like any other.
#[test]
fn attaching_with_claims_can_be_a_sigbus_on_truncation() {
    let names = Names::new("cut-claims");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    assert_eq!(signals(&name, &format!("between claims read {name}")), []);
    let signals = signals(&name, &format!("between claims attach {name}"));
    assert!(!signals.is_empty());
    assert!(
        signals.iter().all(|signal| *signal == Signal::SIGBUS),
        "{signals:?}"
    );
    drop(shm);
}
