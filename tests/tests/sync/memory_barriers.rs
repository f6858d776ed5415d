//! Processes that do not use the kernel's memory barriers, and wait for those that do.

// Sanitizers do not see these barriers, so no process uses them in such a build.
#![cfg(not(shm_portable_copy))]

use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Acquire;

use shm_core::ShmLayout;
use shm_tests::{Names, Peer, RingSegment, peer, step};

/// Of the word `data` of the small ring, on which its receiver sleeps.
const DATA: usize = 512;
const WAITERS: u32 = 1;
const FENCE: u32 = 2;

fn with_opt_out(value: &str) -> Peer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    Peer::spawn(command.env("SHM_NO_MEMBARRIER", value))
}

/// How many of the system calls of a command are this one.
fn barriers(peer: &mut Peer, command: &str) -> usize {
    let calls = step::system_call_numbers(peer, command);
    calls
        .iter()
        .filter(|call| **call == libc::SYS_membarrier)
        .count()
}

#[test]
fn a_process_registers_once_when_it_first_claims_an_end() {
    let names = Names::new("barriers-claim");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    for (value, forbidden, expected) in [("", false, 1), ("", true, 1), ("1", false, 0)] {
        let mut peer = with_opt_out(value);
        peer.ok(&format!("ring attach {name}"));
        if forbidden {
            peer.ok("forbid membarrier");
        }
        let case = format!("{value:?}, forbidden: {forbidden}");
        assert_eq!(
            barriers(&mut peer, "between ring sender"),
            expected,
            "{case}"
        );
        assert_eq!(barriers(&mut peer, "between ring receiver"), 0, "{case}");
    }
}

#[test]
fn a_process_whose_barrier_is_refused_demands_none_again() {
    let mut peer = peer!();
    // Otherwise the rest could not fail.
    assert!(barriers(&mut peer, "calls waits") > 0);
    peer.ok("forbid membarrier");
    assert_eq!(barriers(&mut peer, "calls waits"), 0);
}

#[test]
fn a_process_that_opts_out_demands_fences_and_is_woken() {
    let names = Names::new("memory-barriers");
    for (value, bits) in [("", WAITERS), ("1", WAITERS | FENCE)] {
        let name = names.name(if value.is_empty() { "in" } else { "out" });
        let shm = RingSegment::create(&name).unwrap();
        let mut sender = shm.ring.sender().unwrap();
        let mut peer = with_opt_out(value);
        peer.ok(&format!("ring attach {name}"));
        peer.ok("ring receiver");
        for number in 0..20 {
            peer.tell("ring recv forever");
            step::until_asleep(peer.pid());
            // SAFETY: the word is inside the payload, which is mapped as long as the handle is borrowed.
            let word = unsafe { shm.as_ptr().add(DATA) };
            // SAFETY: it is aligned and only accessed atomically.
            let word = unsafe { AtomicU32::from_ptr(word.cast_mut().cast()) };
            assert_eq!(word.load(Acquire) & (WAITERS | FENCE), bits, "{value:?}");
            sender.send(shm_tests::Message::numbered(number)).unwrap();
            assert_eq!(peer.hear(), format!("ok {number}"));
        }
    }
}
