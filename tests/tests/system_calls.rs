//! While nobody sleeps, the types that bring processes into step do without the system.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use shm_tests::{peer, step};

/// How many system calls a thousand of these make, and what counts them.
fn calls(what: &str) -> usize {
    let mut peer = peer!();
    // It is there, and no longer about to be.
    peer.ok("pid");
    step::system_calls(peer, &format!("calls {what}"))
}

#[test]
fn what_nobody_contends_makes_no_system_call() {
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
fn a_lock_that_is_held_takes_a_few_for_a_look_at_its_owner() {
    // Else the test above could not fail. Two locks of the kernel's are looked at, and the file.
    let times = (calls("held-mutex") - calls("nothing")) / 1000;
    assert!((1..=3).contains(&times), "{times}");
}
