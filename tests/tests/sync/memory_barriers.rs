//! Processes that do not use the kernel's memory barriers, and wait for those that do.

use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Acquire;

use shm_core::ShmLayout;
use shm_tests::{Names, Peer, RingSegment, step};

/// Of the word `data` of the small ring, on which its receiver sleeps.
const DATA: usize = 512;
const WAITERS: u32 = 1;
const FENCE: u32 = 2;

#[test]
fn a_process_that_opts_out_demands_fences_and_is_woken() {
    let names = Names::new("memory-barriers");
    for (value, bits) in [("", WAITERS), ("1", WAITERS | FENCE)] {
        let name = names.name(if value.is_empty() { "in" } else { "out" });
        let shm = RingSegment::create(&name).unwrap();
        let mut sender = shm.ring.sender().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
        let mut peer = Peer::spawn(command.env("SHM_NO_MEMBARRIER", value));
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
