//! While nobody sleeps, the sync types make no system calls. Creating, attaching and dropping make few.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use shm_core::ShmLayout;
use shm_tests::{Names, RingSegment, peer, step};

/// How many system calls a thousand of these make, including those of counting.
fn calls(what: &str) -> usize {
    step::system_calls(peer!(), &format!("calls {what}"))
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
fn a_timeout_of_zero_probes_a_living_owner() {
    // Otherwise the tests above and below could not fail. The call queries a lock of the kernel.
    let times = (calls("held-mutex-now") - calls("nothing")) / 1000;
    assert_eq!(times, 1);
}

#[test]
fn a_lock_of_a_dead_owner_is_taken_over_without_a_sleep() {
    // Each owner is another one. The calls query two locks of the kernel, and the file; the release wakes waiters that the dead
    // owner may have had.
    let times = calls("dead-locks") - calls("nothing");
    assert_eq!(times, 4 * 1000);
}

#[test]
fn all_roles_of_a_dead_process_are_taken_over_after_one_probe() {
    // Each release wakes waiters. A probe takes three calls, and is repeated after a second.
    let probes = calls("dead-roles") - calls("nothing") - 1000;
    assert!(probes < 100, "{probes}");
}

#[test]
fn trying_a_held_lock_probes_its_owner_once_a_tick() {
    let probes = calls("held-mutex") - calls("nothing");
    assert!(probes < 1000, "{probes} probes in a thousand calls");
}

/// Whether `linkat` needs neither /proc nor a privilege, which is found out without a call each time.
fn links_by_descriptor() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("this is Linux");
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    next().zip(next()) >= Some((6, 10))
}

/// Each call costs every user 0.2 to 5 µs. A change that needs one more, or saves one, changes the number here.
#[test]
fn segments_cost_no_more_system_calls() {
    let names = Names::new("calls");
    let name = names.name("t");
    let mut peer = peer!();
    let older = usize::from(!links_by_descriptor());
    // This number may stand for any user, so it takes two calls to find out whether a file is this one's.
    let overflow = 2 * usize::from(nix::unistd::geteuid().as_raw() == 65534);
    for (kind, operation, expected) in [
        ("plain", "create", 7 + older),
        ("plain", "reserve", 7 + older),
        ("plain", "attach", 7 + overflow),
        ("plain", "read", 7 + overflow),
        ("plain", "join", 10 + overflow),
        ("plain", "detach", 2),
        ("plain", "leave", 6),
        ("plain", "drop", 8),
        ("locked", "create", 14 + older),
        ("locked", "attach", 14 + overflow),
        ("locked", "read", 7 + overflow),
        ("locked", "join", 17 + overflow),
        ("locked", "detach", 3),
        ("locked", "leave", 7),
        ("locked", "drop", 9),
        // Two levels of which there are records.
        ("grown", "create", 7 + older),
        ("grown", "attach", 9 + overflow),
        ("grown", "read", 9 + overflow),
        ("grown", "detach", 2),
        // Two levels that are announced: the lock, the header and the length, the fields, the records and their number, each with
        // a look at the limit of the length of files, and the header again.
        ("announce", "", 18 + overflow),
    ] {
        let calls =
            step::system_call_numbers(&mut peer, &format!("calls {kind} {operation} {name}"));
        // The standard library examines a descriptor before it closes it, unless it is optimized.
        let examined = cfg!(debug_assertions)
            .then(|| {
                calls
                    .iter()
                    .filter(|call| **call == libc::SYS_close)
                    .count()
            })
            .unwrap_or(0);
        assert_eq!(
            calls.len() - examined,
            expected,
            "{kind} {operation}: {calls:?}"
        );
    }
}
