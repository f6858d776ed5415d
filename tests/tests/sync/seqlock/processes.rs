//! Writers and readers of several processes: exclusion, death, `exec`, `fork`, waiting and signals.

use std::time::{Duration, Instant};

use shm_core::sync::WriteError;
use shm_tests::{Block, DEADLINE, Names};

use super::{attached, create, reading};

#[test]
fn writing_is_exclusive_and_waiting_times_out() {
    let names = Names::new("seqlock-one");
    let name = names.name("t");
    let shm = create(&name);
    let mut other = attached(&name);
    let guard = shm.write().unwrap();
    assert_eq!(other.ok("seqlock write try"), "would-block");
    assert_eq!(other.ok("seqlock write 30"), "timed-out");
    shm_tests::scope(|scope| {
        scope.start(|| {
            let start = Instant::now();
            let refused = shm.write_timeout(Duration::from_millis(30));
            assert!(matches!(refused, Err(WriteError::TimedOut(_))));
            assert!(start.elapsed() >= Duration::from_millis(30));
        });
    });
    // A waiting writer gets the role, with the last committed value.
    other.tell("seqlock write forever");
    drop(guard);
    assert_eq!(other.hear(), "ok ");
    assert!(matches!(shm.try_write(), Err(WriteError::WouldBlock(_))));
    other.ok("seqlock commit");
    assert_eq!(shm.version(), 2);
    assert!(shm.read().unwrap().is_numbered(1));
}

#[test]
fn a_killed_writer_leaves_the_last_value_and_a_free_role() {
    let names = Names::new("seqlock-killed");
    let name = names.name("t");
    let shm = create(&name);
    let mut reader = reading(&name);
    for (number, how) in (1..).zip(["try", "0", "100000", "forever"]) {
        let (mut writer, mut next) = (attached(&name), attached(&name));
        writer.ok("seqlock write forever");
        writer.kill();
        assert_eq!(
            reader.ok("seqlock read"),
            format!("{} {} whole", number - 1, number - 1)
        );
        // Without a report.
        assert_eq!(next.ok(&format!("seqlock write {how}")), "", "{how}");
        next.ok("seqlock commit");
        assert_eq!(
            reader.ok("seqlock read"),
            format!("{number} {number} whole")
        );
    }
    // So does one that another process waits for.
    let (mut writer, mut next) = (attached(&name), attached(&name));
    writer.ok("seqlock write forever");
    next.tell("seqlock write forever");
    writer.kill();
    assert_eq!(next.hear(), "ok ");
    next.ok("seqlock commit");
    assert!(shm.read().unwrap().is_numbered(5));
}

#[test]
fn a_stopped_writer_keeps_the_role_and_readers_continue() {
    let names = Names::new("seqlock-stopped");
    let name = names.name("t");
    let shm = create(&name);
    let mut writer = attached(&name);
    writer.ok("seqlock write forever");
    writer.stop();
    for _ in 0..1000 {
        assert!(shm.read().unwrap().is_numbered(0));
    }
    assert!(matches!(shm.try_write(), Err(WriteError::WouldBlock(_))));
    let refused = shm.write_timeout(Duration::from_millis(60));
    assert!(matches!(refused, Err(WriteError::TimedOut(_))));
    writer.kill();
    drop(shm.write_timeout(Duration::ZERO).unwrap());
}

#[test]
fn exec_gives_up_the_writers_role() {
    let names = Names::new("seqlock-exec");
    let name = names.name("t");
    let shm = create(&name);
    let mut writer = attached(&name);
    writer.ok("seqlock write forever");
    writer.tell("claims exec");
    assert_eq!(writer.hear(), "executing");
    assert_eq!(writer.ask("are you there"), "are you there");
    drop(shm.write_timeout(DEADLINE).unwrap());
    assert!(shm.read().unwrap().is_numbered(0));
    writer.end();
}

#[test]
fn a_fork_child_is_a_separate_writer() {
    let names = Names::new("seqlock-fork");
    let name = names.name("t");
    let shm = create(&name);
    let mut parent = attached(&name);
    parent.ok("seqlock write forever");
    // What the child does with the inherited guard has no effect.
    parent.ok("seqlock fork-commit");
    assert!(shm.read().unwrap().is_numbered(0) && shm.version() == 0);
    assert!(matches!(shm.try_write(), Err(WriteError::WouldBlock(_))));
    parent.ok("seqlock commit");
    assert!(shm.read().unwrap().is_numbered(1) && shm.version() == 1);
    // Nor has what a child does that was forked inside a closure.
    assert_eq!(parent.ok("seqlock fork-inside update"), "2");
    assert_eq!(parent.ok("seqlock fork-inside place"), "3");
    assert!(shm.read().unwrap().is_numbered(3) && shm.version() == 3);
    // From here on the child answers. It reads as its parent did, and writes with its own id.
    parent.ok("fork-continue");
    assert_eq!(parent.ok("seqlock read"), "3 3 whole");
    assert_eq!(parent.ok("seqlock store 4"), "4");
    parent.ok("seqlock write forever");
    assert!(matches!(shm.try_write(), Err(WriteError::WouldBlock(_))));
    parent.ok("seqlock commit");
    assert!(shm.read().unwrap().is_numbered(5));
    // Kills the parent, which does not end otherwise.
    parent.kill();
}

#[test]
fn a_commit_wakes_waits_for_newer_values() {
    let names = Names::new("seqlock-wait");
    let name = names.name("t");
    let shm = create(&name);
    let (mut woken, mut polling) = (attached(&name), reading(&name));
    for version in 1..20 {
        // A newer value already exists.
        assert_eq!(shm.wait_newer(version - 1, Duration::ZERO).ok(), None);
        for peer in [&mut woken, &mut polling] {
            peer.tell(&format!("seqlock wait {} forever", version - 1));
        }
        shm.store(Block::numbered(version)).unwrap();
        for peer in [&mut woken, &mut polling] {
            assert_eq!(peer.hear(), format!("ok {version}"));
            assert_eq!(
                peer.ok("seqlock read"),
                format!("{version} {version} whole")
            );
        }
        assert_eq!(
            shm.wait_newer(version - 1, Duration::ZERO).ok(),
            Some(version)
        );
    }
    // Ahead of the current version.
    assert_eq!(woken.ok("seqlock wait 100 5"), "timed-out");
}

#[test]
fn signals_affect_neither_timeout_nor_wakeup() {
    let names = Names::new("seqlock-signals");
    let name = names.name("t");
    let shm = create(&name);
    let mut peers = [attached(&name), reading(&name)];
    for peer in &mut peers {
        peer.ok("claims timer");
        let start = Instant::now();
        assert_eq!(peer.ok("seqlock wait 0 100"), "timed-out");
        assert!(start.elapsed() >= Duration::from_millis(100));
        peer.tell("seqlock wait 0 forever");
    }
    shm.store(Block::numbered(1)).unwrap();
    for peer in &mut peers {
        assert_eq!(peer.hear(), "ok 1");
    }
    // Waiting for the role behaves alike.
    let mut writer = attached(&name);
    writer.ok("seqlock write forever");
    assert_eq!(peers[0].ok("seqlock write 100"), "timed-out");
    peers[0].tell("seqlock write forever");
    writer.kill();
    assert_eq!(peers[0].hear(), "ok ");
}
