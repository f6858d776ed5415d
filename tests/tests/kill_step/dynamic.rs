//! A process is killed after each k-th instruction of setting a part of a value that a lock protects, without the type, as
//! `shm set` does. It leaves what a process that has the type leaves.
//!
//! The long form stops at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::time::Duration;

use shm_core::sync::SeqLock;
use shm_core::{Shm, ShmLayout};
use shm_tests::step::KillOutcome;
use shm_tests::{Guarded, Names, Peer, SmallValue, peer, step};

use crate::claims::{lock_and_die, next};

fn attached(name: &str) -> Peer {
    peer!("dynamic attach {name}")
}

/// The next number, as a change of the value in the lock.
fn next_pair(shm: &Shm<Guarded>) -> String {
    let pair = shm.lock.lock().unwrap();
    let next = pair.count.get() + 1;
    format!("dynamic set lock {{count:{next},twin:{next}}}")
}

/// Kills at every `stride`-th instruction of setting two fields of a mutex's value. Returns how many deaths were reported to the
/// next owner, and how many not.
fn in_mutex(tag: &str, stride: usize, before: impl Fn(&str)) -> [usize; 2] {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let (mut reports, mut instruction, mut killed) = ([0, 0], 0, true);
    while killed {
        let command = next_pair(&shm);
        before(&name);
        killed = step::kill_at_instruction(attached(&name), &command, instruction);
        reports[usize::from(!next(&shm))] += 1;
        // Nothing remains for the process after that.
        assert!(!next(&shm));
        instruction += stride;
    }
    println!("{tag}: {instruction} instructions, {reports:?} deaths reported and not");
    reports
}

#[test]
fn kill_in_dynamic_set_of_a_mutex_is_recovered() {
    let [reported, not] = in_mutex("dyn-step", step::stride(499), |_| {});
    assert!(reported > 0 && not > 0, "{reported} {not}");
}

#[test]
fn kill_in_dynamic_set_keeps_the_report_of_a_death() {
    let [reported, not] = in_mutex("dyn-step-died", step::stride(999), lock_and_die);
    assert!(reported > 0 && not == 0, "{reported} {not}");
}

#[test]
fn kill_in_dynamic_set_behind_an_owner_is_recovered() {
    let names = Names::new("dyn-step-sleep");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let mut reports = [0, 0];
    step::kill_around_sleep("dyn-step-sleep", Some(2_999), 499, |point| {
        let command = next_pair(&shm);
        let mut guard = Some(shm.lock.lock().unwrap());
        let seen = kill(&name, &command, point, &mut || drop(guard.take()));
        reports[usize::from(!next(&shm))] += 1;
        assert!(!next(&shm));
        seen
    });
    println!("dyn-step-sleep: {reports:?} deaths reported and not");
    assert!(!reports.contains(&0), "{reports:?}");
}

/// Kills a process that sleeps until `release` is called. This is called at the latest after the kill.
fn kill(name: &str, command: &str, point: step::Point, release: &mut dyn FnMut()) -> KillOutcome {
    let seen = step::kill_at_point(attached(name), command, point, &mut *release);
    // If it was killed before it slept.
    release();
    seen
}

type Lock = SeqLock<SmallValue, 3>;

/// The part that is set, in the middle of the value.
const PART: std::ops::Range<usize> = 2..6;

fn next_part(number: u64) -> String {
    format!("dynamic set [2..6] [{number},{number},{number},{number}]")
}

/// The part's number, which must be that of each of its elements, and the version.
fn committed(shm: &Shm<Lock>) -> (u64, u64) {
    let (version, value) = shm.read_versioned().unwrap();
    let part = value[PART.start];
    for (index, number) in value.into_iter().enumerate() {
        let wanted = if PART.contains(&index) { part } else { 0 };
        assert_eq!(number, wanted, "{value:?}");
    }
    (version, part)
}

/// The next writer continues after the last commit.
fn next_writes(shm: &Shm<Lock>) {
    let (version, part) = committed(shm);
    // Long enough for any machine; a stuck process is stuck forever.
    let guard = shm.write_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(guard[PART.start], part);
    assert_eq!(guard.commit().unwrap(), version + 1);
    assert_eq!(committed(shm), (version + 1, part));
}

/// Kills in setting a part of the value to the next number. The part is committed whole, or not at all.
fn in_seqlock(shm: &Shm<Lock>, kill: impl FnOnce(&str) -> KillOutcome) -> (KillOutcome, bool) {
    let (version, part) = committed(shm);
    let seen = kill(&next_part(part + 1));
    let now = committed(shm);
    let is_committed = now == (version + 1, part + 1);
    assert!(is_committed || now == (version, part), "{now:?}");
    assert!(is_committed || seen.killed);
    next_writes(shm);
    (seen, is_committed)
}

/// Kills at every `stride`-th instruction.
fn at_every(tag: &str, stride: u64, before: impl Fn(&str)) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Lock::create(&name).unwrap();
    let (mut instruction, mut killed, mut committed_by_the_dead) = (0, true, 0);
    while killed {
        before(&name);
        let (seen, is_committed) = in_seqlock(&shm, |command| KillOutcome {
            killed: step::kill_at_instruction(attached(&name), command, instruction),
            slept: false,
        });
        killed = seen.killed;
        committed_by_the_dead += u64::from(killed && is_committed);
        instruction += step::stride(stride);
    }
    println!(
        "{tag}: {instruction} instructions, {committed_by_the_dead} committed before they died"
    );
    // With a stride of 1, kills also hit the instructions after the commit.
    assert!(step::stride(stride) > 1 || committed_by_the_dead > 0);
}

#[test]
fn kill_in_dynamic_set_of_a_seqlock_leaves_a_whole_value() {
    at_every("dyn-step-seqlock", 499, |_| {});
}

#[test]
fn kill_in_dynamic_set_takeover_leaves_a_whole_value() {
    at_every("dyn-step-take-over", 1_999, |name| {
        // The guard is lost when its process is killed, right after it has acquired the role.
        let mut writer = peer!("seqlock few {name}");
        writer.ok("seqlock hold");
        writer.kill();
    });
}

#[test]
fn kill_in_dynamic_set_behind_a_writer_leaves_a_whole_value() {
    let names = Names::new("dyn-step-writer");
    let name = names.name("t");
    let shm = Lock::create(&name).unwrap();
    let mut uncommitted = 0;
    step::kill_around_sleep("dyn-step-writer", Some(2_999), 1_499, |point| {
        let mut guard = Some(shm.write().unwrap());
        let mut release = || {
            if let Some(guard) = guard.take() {
                guard.discard();
            }
        };
        let (seen, is_committed) =
            in_seqlock(&shm, |command| kill(&name, command, point, &mut release));
        uncommitted += usize::from(!is_committed);
        seen
    });
    println!("dyn-step-writer: {uncommitted} died before they committed");
    assert!(uncommitted > 0);
}
