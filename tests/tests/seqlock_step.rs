//! A process killed after each k-th instruction of every operation of a sequence lock: what is read is always whole and was
//! committed, and the next writer always gets the role.
//!
//! The long form looks at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::time::Duration;

use shm_core::sync::SeqLock;
use shm_core::{Shm, ShmLayout};
use shm_tests::{Few, Names, Peer, peer, step};

type Lock = SeqLock<Few, 3>;

fn attached(name: &str) -> Peer {
    let mut peer = peer!();
    peer.ok(&format!("seqlock few {name}"));
    peer
}

/// The number of a value that has to be whole, and that of its version.
fn committed(shm: &Shm<Lock>) -> u64 {
    let (version, value) = shm.read_versioned();
    assert_eq!(value, [version; 8]);
    assert_eq!(shm.read_with(|cell| cell.load()), value);
    version
}

/// Kills at every `stride`-th instruction of one way to use the lock, until that is over. `most` is what it commits.
fn at_every(way: &str, stride: u64, most: u64, before: impl Fn(&str)) {
    let names = Names::new(&format!("seqlock-step-{way}"));
    let name = names.name("t");
    let shm = Lock::create(&name).unwrap();
    let (mut instruction, mut committed_by_the_dead) = (0, 0);
    loop {
        before(&name);
        let start = committed(&shm);
        let command = format!("seqlock round {way}");
        let killed = step::kill_at(attached(&name), &command, instruction);
        let now = committed(&shm);
        assert!((start..=start + most).contains(&now), "{start} {now}");
        assert!(killed || now == start + most, "{start} {now}");
        committed_by_the_dead += u64::from(killed && now > start);
        // Long enough for any machine; what is stuck is stuck for ever.
        let mut guard = shm.write_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(*guard, [now; 8]);
        guard.fill(now + 1);
        assert_eq!(guard.commit().unwrap(), now + 1);
        assert_eq!(committed(&shm), now + 1);
        if !killed {
            break;
        }
        instruction += step::stride(stride);
    }
    println!(
        "{way}: {instruction} instructions, {committed_by_the_dead} committed before they died"
    );
    // Whoever looks at every instruction also hits those behind the commit.
    assert!(most == 0 || step::stride(stride) > 1 || committed_by_the_dead > 0);
}

#[test]
fn killed_at_any_instruction_of_a_store_nothing_is_half_done() {
    at_every("store", 229, 1, |_| {});
}

#[test]
fn killed_at_any_instruction_of_an_update_nothing_is_half_done() {
    at_every("update", 449, 1, |_| {});
}

#[test]
fn killed_at_any_instruction_of_writing_in_place_nothing_is_half_done() {
    at_every("place", 229, 1, |_| {});
}

#[test]
fn killed_at_any_instruction_with_a_guard_nothing_is_half_done() {
    at_every("guard", 557, 1, |_| {});
}

#[test]
fn killed_at_any_instruction_of_a_take_over_nothing_is_half_done() {
    at_every("take-over", 1901, 1, |name| {
        // Leaked when its process is killed: right after it has got the role.
        let mut writer = attached(name);
        writer.ok("seqlock hold");
        writer.kill();
    });
}

#[test]
fn killed_at_any_instruction_of_reading_and_waiting_nobody_notices() {
    at_every("read", 701, 0, |_| {});
}
