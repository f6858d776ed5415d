//! Types of `sync` without their Rust type: what they hold, who holds them, and writing under their locks.

use std::time::Duration;

use shm_core::ShmLayout;
use shm_core::dynamic::{DynError, DynSegment, DynValue, SyncState};
use shm_core::sync::{Barrier, Broadcast, Event, LockError, Mutex, Ring, Semaphore, SeqLock};
use shm_tests::Names;

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Limits {
    rate: u32,
    burst: u32,
    names: [f64; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Shared {
    limits: SeqLock<Limits>,
    account: Mutex<Mutex<Limits>>,
    jobs: Ring<Limits, 4>,
    ticks: Broadcast<Limits, 4>,
    changed: Event,
    permits: Semaphore,
    start: Barrier<3>,
    inside: Mutex<SeqLock<[u64; 40]>>,
}

fn limits(rate: u32) -> Limits {
    Limits {
        rate,
        burst: 1,
        names: [0.5, 2.0],
    }
}

fn set(segment: &DynSegment, path: &str, value: &str) -> Result<(), DynError> {
    let value: DynValue = value.parse().unwrap();
    segment
        .at(path)
        .unwrap()
        .set_timeout(&value, Duration::ZERO)
}

fn get(segment: &DynSegment, path: &str) -> String {
    segment.at(path).unwrap().get().unwrap().to_string()
}

fn state(segment: &DynSegment, path: &str) -> SyncState {
    segment.at(path).unwrap().sync_state().unwrap().unwrap()
}

#[test]
fn a_part_of_a_seqlock_is_committed_with_the_rest() {
    let names = Names::new("dyn-seqlock");
    let name = names.name("t");
    let shm = Shared::create(&name).unwrap();
    let segment = DynSegment::attach(&name).unwrap();
    shm.limits.store(limits(5)).unwrap();
    set(&segment, "limits.burst", "9").unwrap();
    set(&segment, "limits.names[1]", "4").unwrap();
    set(&segment, "limits", "{rate: 6}").unwrap();
    let wanted = Limits {
        rate: 6,
        burst: 9,
        names: [0.5, 4.0],
    };
    assert_eq!(shm.limits.read_versioned().unwrap(), (4, wanted));
    // A value that does not fit commits nothing.
    let error = set(&segment, "limits.names", "[1.0]").unwrap_err();
    assert!(matches!(error, DynError::WrongValue { .. }));
    assert_eq!(shm.limits.version(), 4);
    set(&segment, "inside[7]", "5").unwrap();
    assert_eq!(shm.inside.lock().unwrap().read().unwrap()[7], 5);
}

#[test]
fn the_owner_of_a_lock_keeps_others_from_setting() {
    let names = Names::new("dyn-locked");
    let name = names.name("t");
    let shm = Shared::create(&name).unwrap();
    let segment = DynSegment::attach(&name).unwrap();
    let me = std::process::id();
    let (outer, writer) = (shm.account.lock().unwrap(), shm.limits.write().unwrap());
    for path in ["account.rate", "account", "limits.rate", "limits"] {
        let value = if path.ends_with("rate") {
            "1"
        } else {
            "{rate: 1}"
        };
        let error = set(&segment, path, value).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("`{path}` cannot be set: process {me} ")),
            "{error}"
        );
        assert!(matches!(error, DynError::Locked { owner, .. } if owner.pid() == Some(me)));
    }
    drop((outer, writer));
    set(&segment, "account.rate", "7").unwrap();
    let outer = shm.account.try_lock().unwrap();
    assert_eq!(outer.try_lock().unwrap().rate.get(), 7);
}

#[test]
fn setting_after_a_panic_leaves_the_repair_to_the_next_owner() {
    let names = Names::new("dyn-poison");
    let name = names.name("t");
    let shm = Mutex::<u32>::create(&name).unwrap();
    let segment = DynSegment::attach(&name).unwrap();
    std::panic::catch_unwind(|| {
        let _guard = shm.lock().unwrap();
        panic!("with the lock");
    })
    .unwrap_err();
    assert!(matches!(
        state(&segment, "."),
        SyncState::MutexState {
            owner: None,
            poisoned: true,
            ..
        }
    ));
    // Writing does not repair: the next owner hears of the death all the same.
    set(&segment, ".", "5").unwrap();
    let guard = match shm.lock() {
        Err(LockError::OwnerDied(mut guard)) => {
            guard.mark_consistent();
            guard
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(guard.get(), 5);
    drop(guard);
    assert!(matches!(
        state(&segment, "."),
        SyncState::MutexState {
            owner: None,
            poisoned: false,
            ..
        }
    ));
}

#[test]
fn each_type_tells_its_state() {
    let names = Names::new("dyn-state");
    let name = names.name("t");
    let shm = Shared::create(&name).unwrap();
    let segments = [
        DynSegment::attach(&name).unwrap(),
        DynSegment::attach_read_only(&name).unwrap(),
    ];
    shm.limits.store(limits(1)).unwrap();
    let mut jobs = shm.jobs.sender().unwrap();
    for rate in 0..3 {
        jobs.send(limits(rate)).unwrap();
    }
    let mut receiver = shm.jobs.receiver().unwrap();
    receiver.recv().unwrap();
    drop(receiver);
    let mut ticks = shm.ticks.sender().unwrap();
    ticks.send(limits(1)).unwrap();
    shm.changed.notify_all();
    shm.changed.notify_all();
    for _ in 0..3 {
        shm.permits.post().unwrap();
    }
    let seat = shm.start.join().unwrap();
    let guard = shm.account.lock().unwrap();
    for segment in &segments {
        let is_me = |owner: Option<shm_core::sync::Owner>| {
            owner.is_some_and(|owner| owner.is_alive() && owner.pid() == Some(std::process::id()))
        };
        assert!(matches!(
            state(segment, "account"),
            SyncState::MutexState { owner, poisoned: false, .. } if is_me(owner)
        ));
        assert!(matches!(
            state(segment, "limits"),
            SyncState::SeqLockState {
                version: 1,
                writer: None,
                ..
            }
        ));
        assert!(matches!(
            state(segment, "jobs"),
            SyncState::RingState { sender, receiver: None, sent: 3, received: 1, capacity: 4, .. } if is_me(sender)
        ));
        assert!(matches!(
            state(segment, "ticks"),
            SyncState::BroadcastState { sender, sent: 1, capacity: 4, .. } if is_me(sender)
        ));
        assert!(matches!(
            state(segment, "changed"),
            SyncState::EventState { generation: 2, .. }
        ));
        assert!(matches!(
            state(segment, "permits"),
            SyncState::SemaphoreState { permits: 3, .. }
        ));
        let SyncState::BarrierState {
            round: 0, seats, ..
        } = state(segment, "start")
        else {
            panic!("{:?}", state(segment, "start"));
        };
        let taken: Vec<bool> = seats.into_iter().map(is_me).collect();
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        assert_eq!(taken.len(), 3);
        assert_eq!(
            segment.at("limits.rate").unwrap().sync_state().unwrap(),
            None
        );
        assert_eq!(segment.at(".").unwrap().sync_state().unwrap(), None);
    }
    drop((guard, seat, jobs, ticks));
}

#[test]
fn messages_of_a_broadcast_are_read_by_their_number() {
    let names = Names::new("dyn-message");
    let name = names.name("t");
    let shm = Shared::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let mut ticks = shm.ticks.sender().unwrap();
    for rate in 0..7 {
        ticks.send(limits(rate)).unwrap();
    }
    let file = std::env::temp_dir().join(&name[1..]);
    std::fs::copy(Names::path(&name), &file).unwrap();
    let dump = DynSegment::open(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    for segment in [&segment, &dump] {
        assert_eq!(
            get(segment, "ticks[#3]"),
            "{rate: 3, burst: 1, names: [0.5, 2.0]}"
        );
        assert_eq!(get(segment, "ticks[#6].rate"), "6");
        assert_eq!(get(segment, "ticks[#4].names[1]"), "2.0");
        assert_eq!(get(segment, "ticks[#4].names[..1]"), "[0.5]");
        for (path, text) in [
            (
                "ticks[#2]",
                "there is no `ticks[#2]`: it was overwritten; the oldest message is number 3",
            ),
            (
                "ticks[#7]",
                "there is no `ticks[#7]`: 7 messages have been sent, and the first is number 0",
            ),
        ] {
            let error = segment.at(path).unwrap().get().unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
    assert_eq!(
        segment.at("limits[#0]").unwrap_err().to_string(),
        "there is no `limits[#0]`: `limits` is a `SeqLock<Limits, 4>`, which has no messages"
    );
    let writable = DynSegment::attach(&name).unwrap();
    let error = set(&writable, "ticks[#6].rate", "1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`ticks[#6].rate` cannot be set: a message was sent as it is"
    );
}

#[test]
fn messages_of_a_ring_are_read_by_their_number() {
    let names = Names::new("dyn-ring");
    let name = names.name("t");
    let shm = Shared::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    assert_eq!(segment.at("jobs").unwrap().messages().unwrap(), Some(0..0));
    assert_eq!(segment.at("limits").unwrap().messages().unwrap(), None);
    let mut sender = shm.jobs.sender().unwrap();
    let mut receiver = shm.jobs.receiver().unwrap();
    for rate in 0..6 {
        sender.send(limits(rate)).unwrap();
        if rate < 3 {
            receiver.recv().unwrap();
        }
    }
    let file = std::env::temp_dir().join(&name[1..]);
    std::fs::copy(Names::path(&name), &file).unwrap();
    let dump = DynSegment::open(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    for segment in [&segment, &dump] {
        let jobs = segment.at("jobs").unwrap();
        assert_eq!(jobs.messages().unwrap(), Some(3..6));
        assert_eq!(
            get(segment, "jobs[#3]"),
            "{rate: 3, burst: 1, names: [0.5, 2.0]}"
        );
        assert_eq!(get(segment, "jobs[#5].names[1]"), "2.0");
        for (path, text) in [
            (
                "jobs[#2]",
                "there is no `jobs[#2]`: it was received; the next to be received is number 3",
            ),
            (
                "jobs[#6]",
                "there is no `jobs[#6]`: 6 messages have been sent, and the first is number 0",
            ),
        ] {
            let error = segment.at(path).unwrap().get().unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
    // Looking has taken none.
    for rate in 3..6 {
        assert_eq!(receiver.recv().unwrap().rate, rate);
    }
    assert_eq!(segment.at("jobs").unwrap().messages().unwrap(), Some(6..6));
    let mut ticks = shm.ticks.sender().unwrap();
    for rate in 0..7 {
        ticks.send(limits(rate)).unwrap();
    }
    assert_eq!(segment.at("ticks").unwrap().messages().unwrap(), Some(3..7));
}

#[test]
fn messages_are_whole_next_to_both_ends() {
    const MESSAGES: u64 = 20_000;
    let names = Names::new("dyn-ring-whole");
    let name = names.name("t");
    let shm = Ring::<[u64; 40], 3>::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let (mut sender, mut receiver) = (shm.sender().unwrap(), shm.receiver().unwrap());
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || {
            for number in 0..MESSAGES {
                sender.send([number; 40]).unwrap();
            }
        });
        let receiving = scope.spawn(move || {
            for number in 0..MESSAGES {
                assert_eq!(receiver.recv().unwrap(), [number; 40]);
            }
        });
        let cell = segment.at(".").unwrap();
        while !receiving.is_finished() {
            for number in cell.messages().unwrap().unwrap() {
                let Ok(value) = cell.at(&format!("[#{number}]")).unwrap().get() else {
                    continue;
                };
                let all = value.as_list().unwrap();
                let expected = DynValue::from(number);
                assert!(
                    all.iter().all(|element| *element == expected),
                    "{number}: {value}"
                );
            }
        }
        sending.join().unwrap();
        receiving.join().unwrap();
    });
}

#[test]
fn committed_values_are_whole_next_to_a_writer() {
    let names = Names::new("dyn-whole");
    let name = names.name("t");
    let shm = SeqLock::<[u64; 40], 3>::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..20_000 {
                shm.store([number; 40]).unwrap();
            }
        });
        let cell = segment.at(".").unwrap();
        while !writer.is_finished() {
            let value = cell.get().unwrap();
            let all = value.as_list().unwrap();
            assert!(all.iter().all(|element| *element == all[0]), "{value}");
        }
    });
    assert_eq!(get(&segment, "[39]"), "19999");
}

#[test]
fn two_processes_change_parts_of_one_seqlock() {
    // Two handles, as two processes have them.
    let names = Names::new("dyn-both");
    let name = names.name("t");
    let shm = SeqLock::<[u64; 2]>::create(&name).unwrap();
    shm_tests::scope(|scope| {
        for index in 0..2 {
            let name = &name;
            scope.start(move || {
                let segment = DynSegment::attach(name).unwrap();
                let cell = segment.at(&format!("[{index}]")).unwrap();
                for number in 1..=500_u64 {
                    cell.set_timeout(&number.into(), Duration::from_secs(60))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(shm.read_versioned().unwrap(), (1000, [500, 500]));
}
