//! While nobody sleeps, the sync types make no system calls.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use shm_core::ShmLayout;
use shm_tests::{Names, RingSegment, peer, step};

/// How many system calls a thousand of these make, including those of counting.
fn calls(what: &str) -> usize {
    let mut peer = peer!();
    // After its answer, it has finished starting.
    peer.ok("pid");
    step::system_calls(peer, &format!("calls {what}"))
}

#[test]
fn uncontended_operations_make_no_system_call() {
    let none = calls("nothing");
    for what in [
        "mutex",
        "semaphore",
        "event",
        "barrier",
        "seqlock",
        "ring",
        "broadcast",
    ] {
        assert_eq!(calls(what), none, "{what}");
    }
}

#[test]
fn a_known_dead_peer_costs_no_further_system_call() {
    let names = Names::new("calls-reported");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    let attached = || {
        let mut peer = peer!();
        peer.ok(&format!("ring attach {name}"));
        peer
    };
    let (mut sender, mut receiver) = (attached(), attached());
    sender.ok("ring sender");
    receiver.ok("ring receiver");
    sender.kill();
    assert_eq!(receiver.ok("ring recv forever"), "disconnected");
    let known = step::system_calls(receiver, "ring report-again");
    assert_eq!(known, calls("nothing"));
}

#[test]
fn trying_a_held_lock_takes_few_system_calls() {
    // Otherwise the test above could not fail. The call queries two locks of the kernel, and the file.
    let times = (calls("held-mutex") - calls("nothing")) / 1000;
    assert!((1..=3).contains(&times), "{times}");
}
