//! A process is killed after each k-th instruction of every operation of a sequence lock: every value read is whole and was
//! committed, and the next writer always gets the role.
//!
//! The long form stops at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::time::Duration;

use shm_core::sync::SeqLock;
use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Names, Peer, SmallValue, peer, step};

type Lock = SeqLock<SmallValue, 3>;

fn attached(name: &str) -> Peer {
    peer!("seqlock few {name}")
}

/// The number of the value, which must be whole, and its version.
fn committed(shm: &Shm<Lock>) -> u64 {
    let (version, value) = shm.read_versioned().unwrap();
    assert_eq!(value, [version; 8]);
    assert_eq!(shm.read_with(|cell| cell.load()).unwrap(), value);
    version
}

/// Kills at every `stride`-th instruction of one way to use the lock, until the round ends. It commits at most `most`.
fn at_every(way: &str, stride: u64, most: u64, before: impl Fn(&str)) {
    let names = Names::new(&format!("seqlock-step-{}", way.replace(' ', "-")));
    let name = names.name("t");
    let shm = Lock::create(&name).unwrap();
    let (mut instruction, mut committed_by_the_dead) = (0, 0);
    loop {
        before(&name);
        let start = committed(&shm);
        let command = format!("seqlock round {way}");
        let killed = step::kill_at_instruction(attached(&name), &command, instruction);
        let now = committed(&shm);
        assert!((start..=start + most).contains(&now), "{start} {now}");
        assert!(killed || now == start + most, "{start} {now}");
        committed_by_the_dead += u64::from(killed && now > start);
        next_writes(&shm);
        if !killed {
            break;
        }
        instruction += step::stride(stride);
    }
    println!(
        "{way}: {instruction} instructions, {committed_by_the_dead} committed before they died"
    );
    // With a stride of 1, kills also hit the instructions after the commit.
    assert!(most == 0 || step::stride(stride) > 1 || committed_by_the_dead > 0);
}

/// The next writer continues after the last commit.
fn next_writes(shm: &Shm<Lock>) {
    let now = committed(shm);
    // Long enough for any machine; a stuck process is stuck forever.
    let mut guard = shm.write_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(*guard, [now; 8]);
    guard.fill(now + 1);
    assert_eq!(guard.commit().unwrap(), now + 1);
    assert_eq!(committed(shm), now + 1);
}

#[test]
fn kill_in_seqlock_store_leaves_a_whole_value() {
    at_every("write store", 229, 1, |_| {});
}

#[test]
fn kill_in_seqlock_update_leaves_a_whole_value() {
    at_every("write update", 449, 1, |_| {});
}

#[test]
fn kill_in_seqlock_write_with_leaves_a_whole_value() {
    at_every("write place", 229, 1, |_| {});
}

#[test]
fn kill_with_a_seqlock_guard_leaves_a_whole_value() {
    at_every("write guard", 557, 1, |_| {});
}

#[test]
fn kill_in_seqlock_takeover_leaves_a_whole_value() {
    at_every("write take-over", 1901, 1, |name| {
        // The guard is lost when its process is killed, right after it has acquired the role.
        let mut writer = attached(name);
        writer.ok("seqlock hold");
        writer.kill();
    });
}

#[test]
fn kill_in_seqlock_read_and_wait_disturbs_nobody() {
    at_every("read read", 701, 0, |_| {});
}

#[test]
fn kill_in_seqlock_guard_drop_leaves_a_whole_value() {
    at_every("write in-time", 3_499, 2, |_| {});
}

#[test]
fn kill_in_any_seqlock_read_disturbs_nobody() {
    at_every("read versioned", 3_499, 0, |_| {});
}

/// A peer sleeps until another writer is done, and then writes.
fn asleep_behind_a_writer(way: &str, before: Option<u64>) {
    let names = Names::new(&format!("seqlock-step-{way}"));
    let name = names.name("t");
    let shm = Lock::create(&name).unwrap();
    let (mut committed_by_the_dead, mut not) = (0, 0);
    step::kill_around_sleep(&format!("write {way}"), before, 1_499, |point| {
        let start = committed(&shm);
        let mut guard = Some(shm.write().unwrap());
        let mut release = || {
            if let Some(mut guard) = guard.take() {
                guard.fill(start + 1);
                drop(guard);
            }
        };
        let command = format!("seqlock round write {way}");
        let seen = step::kill_at_point(attached(&name), &command, point, &mut release);
        // If it was killed before it slept.
        release();
        let now = committed(&shm);
        assert!((start + 1..=start + 2).contains(&now), "{start} {now}");
        assert!(seen.killed || now == start + 2);
        if seen.killed && now > start + 1 {
            committed_by_the_dead += 1;
        } else {
            not += 1;
        }
        next_writes(&shm);
        seen
    });
    println!("write {way}: {committed_by_the_dead} committed before they died, {not} not");
    assert!(not > 0 && (step::stride(1_499) > 1 || committed_by_the_dead > 0));
}

#[test]
fn kill_in_seqlock_writer_sleep_leaves_a_whole_value() {
    asleep_behind_a_writer("sleep", Some(2_999));
    asleep_behind_a_writer("sleep-forever", None);
}

/// A peer sleeps until another process commits.
fn asleep_until_a_commit(kind: &str, before: Option<u64>) {
    let names = Names::new(&format!("seqlock-step-await-{kind}"));
    let name = names.name("t");
    let shm = Lock::create(&name).unwrap();
    step::kill_around_sleep(&format!("read await, {kind}"), before, 199, |point| {
        let start = committed(&shm);
        let mut stored = false;
        let mut store = || {
            if !stored {
                shm.store([start + 1; 8]).unwrap();
                stored = true;
            }
        };
        let mut peer = peer!();
        peer.ok(&format!("seqlock {kind} {name}"));
        let seen = step::kill_at_point(peer, "seqlock round read await", point, &mut store);
        // If it was killed before it slept.
        store();
        assert_eq!(committed(&shm), start + 1);
        std::thread::scope(|scope| {
            let waiter = || shm.wait_newer(start + 1, DEADLINE);
            let waiter = step::spawn_until_asleep(scope, waiter);
            next_writes(&shm);
            assert_eq!(waiter.join().unwrap(), Ok(start + 2));
        });
        seen
    });
}

#[test]
fn kill_in_seqlock_reader_sleep_disturbs_nobody() {
    asleep_until_a_commit("few", Some(2_999));
    // A polling process sleeps only for a moment, which ends within a step or two.
    asleep_until_a_commit("few-read-only", None);
}
