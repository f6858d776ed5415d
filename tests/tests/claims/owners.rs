//! Locks and the death of their owners: no lock is lost with a process, and none has two owners.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use shm_core::sync::{LockError, Mutex};
use shm_core::{Shm, ShmLayout};
use shm_tests::lock_bytes::{
    is_locked_exclusively, lock, next_participant, participant, participant_pid,
};
use shm_tests::{
    DEADLINE, Guarded, Names, Peer, Telemetry, count_from_env, no_child_starts, peer, step,
};

fn create(name: &str) -> Shm<Guarded> {
    Guarded::create(name).unwrap()
}

fn attached(name: &str) -> Peer {
    peer!("claims attach {name}")
}

#[test]
fn a_participants_lock_shows_its_pid() {
    let names = Names::new("pid");
    let name = names.name("t");
    let _shm = Guarded::create(&name).unwrap();
    let mut other = peer!("claims attach {name}");
    assert_eq!(participant_pid(&name, 1).unwrap(), Some(std::process::id()));
    let pid: u32 = other.ok("pid").parse().unwrap();
    assert_eq!(participant_pid(&name, 2).unwrap(), Some(pid));
    // A fork child shows its own.
    other.ok("fork-continue");
    assert_eq!(lock(&mut other, "try"), "held");
    let child: u32 = other.ok("pid").parse().unwrap();
    assert_eq!(participant_pid(&name, 3).unwrap(), Some(child));
    assert_ne!(pid, child);
    assert_eq!(participant_pid(&name, 4).unwrap(), None);
    // Kills the parent, which does not end otherwise.
    other.kill();
}

#[test]
fn only_handles_that_can_lock_become_participants() {
    let names = Names::new("claims-who");
    let (plain, name) = (names.name("plain"), names.name("t"));
    let _plain = Telemetry::create(&plain).unwrap();
    let _attached = Telemetry::attach(&plain).unwrap();
    assert_eq!(next_participant(&plain), 1);

    let owner = create(&name);
    assert_eq!(next_participant(&name), 2);
    let reader = Guarded::attach_read_only(&name).unwrap();
    assert_eq!(next_participant(&name), 2);
    assert!(is_locked_exclusively(&name, participant(1)).unwrap());
    let second = Guarded::attach(&name).unwrap();
    assert!(is_locked_exclusively(&name, participant(2)).unwrap());
    drop(second);
    assert!(!is_locked_exclusively(&name, participant(2)).unwrap());

    owner.lock.lock().unwrap().count.set(5);
    assert_eq!(reader.lock.unlocked().count.get(), 5);
}

#[test]
fn a_lock_is_exclusive_and_waiting_times_out() {
    let names = Names::new("claims-one");
    let name = names.name("t");
    let shm = create(&name);
    let mut other = attached(&name);
    let guard = shm.lock.lock().unwrap();
    assert_eq!(lock(&mut other, "try"), "would-block");
    let start = Instant::now();
    assert_eq!(lock(&mut other, "30"), "timed-out");
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert!(matches!(shm.lock.try_lock(), Err(LockError::WouldBlock(_))));

    // A waiter gets the lock when it is released.
    other.tell("claims lock forever");
    drop(guard);
    assert!(other.hear().starts_with("ok held"));
    assert!(matches!(shm.lock.try_lock(), Err(LockError::WouldBlock(_))));
    other.ok("claims unlock");
    assert!(shm.lock.try_lock().is_ok());
}

#[test]
fn every_lock_call_reports_a_dead_owner_until_consistent() {
    let names = Names::new("claims-dead");
    let name = names.name("t");
    let _shm = create(&name);
    for how in ["try", "0", "100000", "forever"] {
        let (mut owner, mut next, mut last) = (attached(&name), attached(&name), attached(&name));
        assert_eq!(lock(&mut owner, "forever"), "held");
        owner.kill();
        assert_eq!(lock(&mut next, how), "died", "{how}");
        next.ok("claims unlock");
        // Nobody has called `mark_consistent`.
        assert_eq!(lock(&mut last, how), "died", "{how}");
        last.ok("claims consistent");
        last.ok("claims unlock");
        assert_eq!(lock(&mut next, how), "held", "{how}");
        next.ok("claims unlock");
    }
}

#[test]
fn a_waiter_gets_the_lock_of_a_killed_owner() {
    let names = Names::new("claims-wait");
    let name = names.name("t");
    let _shm = create(&name);
    let (mut owner, mut one, mut two) = (attached(&name), attached(&name), attached(&name));
    assert_eq!(lock(&mut owner, "forever"), "held");
    one.tell("claims lock forever");
    two.tell("claims lock forever");
    step::until_asleep(one.pid());
    owner.kill();
    // One waiter gets it, then the other; the order is not guaranteed. The death of a waiter frees nothing.
    let mut third = attached(&name);
    third.tell("claims lock forever");
    third.kill();
    assert!(one_of(&mut one, &mut two).starts_with("ok died"));
}

/// The first of the two answers; it then unlocks, and the other must answer too.
fn one_of(one: &mut Peer, two: &mut Peer) -> String {
    let start = Instant::now();
    loop {
        if let Some(answer) = one.heard() {
            pass_on(one, two);
            return answer;
        }
        if let Some(answer) = two.heard() {
            pass_on(two, one);
            return answer;
        }
        assert!(start.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
}

fn pass_on(first: &mut Peer, second: &mut Peer) {
    first.ok("claims consistent");
    first.ok("claims unlock");
    let answer = second.hear();
    assert!(answer.starts_with("ok held"), "{answer}");
}

#[test]
fn lock_recover_repairs_what_a_killed_owner_left() {
    let names = Names::new("claims-recover");
    let name = names.name("t");
    let shm = create(&name);
    let mut owner = attached(&name);
    assert!(lock(&mut owner, "forever").starts_with("held"));
    owner.kill();
    let mut repairs = 0;
    let guard = shm.lock.lock_recover(|value| {
        repairs += 1;
        value.count.set(9);
    });
    assert_eq!(guard.unwrap().count.get(), 9);
    drop(shm.lock.lock_recover(|_| repairs += 1).unwrap());
    assert_eq!(repairs, 1);
}

#[test]
fn a_panic_with_the_lock_is_reported_like_a_death() {
    let shm = Guarded::create_anonymous().unwrap();
    let panicked = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _guard = shm.lock.lock().unwrap();
            // Without the message of an expected panic.
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        thread.join().is_err()
    });
    assert!(panicked);
    match shm.lock.lock() {
        Err(LockError::OwnerDied(mut guard)) => guard.mark_consistent(),
        other => panic!("{other:?}"),
    }
    drop(shm.lock.lock().unwrap());
}

#[test]
fn a_forgotten_guard_dies_with_its_handle() {
    let names = Names::new("claims-forgotten");
    let name = names.name("t");
    let shm = create(&name);
    let leaving = Guarded::attach(&name).unwrap();
    std::mem::forget(leaving.lock.lock().unwrap());
    assert!(matches!(shm.lock.try_lock(), Err(LockError::WouldBlock(_))));
    let _no_copies = no_child_starts();
    drop(leaving);
    let found = shm.lock.lock_timeout(DEADLINE);
    assert!(matches!(found, Err(LockError::OwnerDied(_))));
}

#[test]
fn a_stopped_owner_keeps_the_lock() {
    let names = Names::new("claims-stopped");
    let name = names.name("t");
    let _shm = create(&name);
    let (mut owner, mut other) = (attached(&name), attached(&name));
    assert_eq!(lock(&mut owner, "forever"), "held");
    owner.stop();
    assert_eq!(lock(&mut other, "try"), "would-block");
    assert_eq!(lock(&mut other, "120"), "timed-out");
    owner.kill();
    assert_eq!(lock(&mut other, "0"), "died");
}

#[test]
fn exec_releases_the_lock() {
    let names = Names::new("claims-exec");
    let name = names.name("t");
    let _shm = create(&name);
    let (mut owner, mut other) = (attached(&name), attached(&name));
    assert_eq!(lock(&mut owner, "forever"), "held");
    owner.tell("claims exec");
    assert_eq!(owner.hear(), "executing");
    // The other program echoes its input: it is running.
    assert_eq!(owner.ask("are you there"), "are you there");
    assert_eq!(lock(&mut other, "try"), "died");
    owner.end();
}

#[test]
fn signals_affect_neither_timeouts_nor_recovery() {
    let names = Names::new("claims-signals");
    let name = names.name("t");
    let _shm = create(&name);
    let (mut owner, mut other) = (attached(&name), attached(&name));
    other.ok("claims timer");
    assert_eq!(lock(&mut owner, "forever"), "held");
    let start = Instant::now();
    assert_eq!(lock(&mut other, "100"), "timed-out");
    assert!(start.elapsed() >= Duration::from_millis(100));
    other.tell("claims lock forever");
    owner.kill();
    assert!(other.hear().starts_with("ok died"));
}

/// The kernel and a hook zero what a child must not inherit. Each suffices.
#[test]
fn a_fork_child_is_a_separate_participant() {
    fork_child_is_separate(peer!());
    for kernel in ["wiping", "wiping-silently"] {
        let mut parent = peer!();
        parent.ok(&format!("forbid {kernel}"));
        fork_child_is_separate(parent);
    }
}

fn fork_child_is_separate(mut parent: Peer) {
    let names = Names::new("claims-fork");
    let name = names.name("t");
    let _shm = create(&name);
    parent.ok(&format!("claims attach {name}"));
    let mut other = attached(&name);
    assert_eq!(lock(&mut parent, "forever"), "held");
    // Dropping the inherited guard releases nothing.
    parent.ok("claims fork-unlock");
    assert_eq!(lock(&mut other, "try"), "would-block");
    parent.ok("claims unlock");

    // From here on the child answers, and the parent only lives.
    parent.ok("fork-continue");
    let before = next_participant(&name);
    assert_eq!(lock(&mut parent, "forever"), "held");
    assert_eq!(next_participant(&name), before + 1);
    assert_eq!(lock(&mut other, "try"), "would-block");
    parent.ok("claims unlock");
    assert_eq!(lock(&mut other, "try"), "held");
    // Kills the parent, which does not end otherwise.
    parent.kill();
}

#[test]
fn taking_part_twice_does_nothing() {
    let names = Names::new("claims-take-part");
    let name = names.name("t");
    let shm = create(&name);
    let mut parent = attached(&name);
    let before = next_participant(&name);
    shm.take_part().unwrap();
    parent.ok("claims take-part");
    assert_eq!(next_participant(&name), before);
    // A child is no participant until it takes part or locks.
    parent.ok("fork-continue");
    assert_eq!(next_participant(&name), before);
    parent.ok("claims take-part");
    parent.ok("claims take-part");
    assert_eq!(next_participant(&name), before + 1);
    assert_eq!(lock(&mut parent, "try"), "held");
    assert_eq!(next_participant(&name), before + 1);
    parent.kill();
    u64::create_anonymous().unwrap().take_part().unwrap();
}

#[test]
fn a_fork_childs_own_and_inherited_segments_stay_apart() {
    let names = Names::new("claims-fork-attach");
    let (name, second) = (names.name("t"), names.name("second"));
    let _segments = (create(&name), create(&second));
    let mut parent = attached(&name);
    parent.ok(&format!("claims fork-attach {second}"));
    // The child was a participant of each, with separate ids.
    assert_eq!((next_participant(&name), next_participant(&second)), (4, 3));
}

#[test]
fn fork_children_do_not_hide_their_parents_death() {
    let names = Names::new("claims-fork-parent");
    let name = names.name("t");
    let _shm = create(&name);
    let (mut parent, mut other) = (attached(&name), attached(&name));
    assert_eq!(lock(&mut parent, "forever"), "held");
    parent.ok("fork-continue");
    // The child lives and has a copy of the guard, the mapping and every descriptor.
    assert_eq!(lock(&mut parent, "try"), "would-block");
    assert_eq!(lock(&mut other, "try"), "would-block");
    parent.kill();
    assert_eq!(lock(&mut other, "0"), "died");
    assert_eq!(lock(&mut parent, "0"), "timed-out");
    other.ok("claims unlock");
    assert_eq!(lock(&mut parent, "0"), "died");
}

#[test]
fn a_replaced_descriptor_never_reports_a_death() {
    let names = Names::new("claims-dup2");
    let (name, elsewhere) = (names.name("t"), names.name("other"));
    let _shm = create(&name);
    // There the probing peer's id is locked, and the owner's is not.
    let _two = (create(&elsewhere), Guarded::attach(&elsewhere).unwrap());
    let mut prober = attached(&name);
    let mut owner = attached(&name);
    assert!(!is_locked_exclusively(&elsewhere, participant(3)).unwrap());
    assert!(is_locked_exclusively(&elsewhere, participant(2)).unwrap());
    assert!(is_locked_exclusively(&name, participant(3)).unwrap());
    assert_eq!(lock(&mut owner, "forever"), "held");
    for path in ["/dev/null", Names::path(&elsewhere).to_str().unwrap()] {
        prober.ok(&format!("claims replace-descriptor {path}"));
        for how in ["try", "0", "60"] {
            let answer = lock(&mut prober, how);
            assert!(
                ["would-block", "timed-out"].contains(&answer.as_str()),
                "{answer}"
            );
        }
    }
    // Other processes see the true state.
    let mut other = attached(&name);
    assert_eq!(lock(&mut other, "try"), "would-block");
    owner.kill();
    assert_eq!(lock(&mut other, "0"), "died");
}

#[test]
fn a_read_only_peer_can_only_block_new_participants() {
    let names = Names::new("claims-pin");
    let name = names.name("t");
    let _shm = create(&name);
    let (mut owner, mut other, mut pinning) = (attached(&name), attached(&name), peer!());
    assert_eq!(lock(&mut owner, "forever"), "held");
    // All ids that are not in use yet.
    pinning.ok(&format!("claims pin-ids {name} 4 1000000"));
    let text = peer!().refused(&format!("claims attach {name} 20"), "Busy");
    assert!(text.contains("new participants"), "{text}");
    // A fork child without an id is not protected, and gets no lock.
    other.ok("fork-continue");
    let text = other.refused("claims lock try", "Busy");
    assert!(text.contains("new participants"), "{text}");
    drop(pinning);
    assert_eq!(lock(&mut other, "try"), "would-block");
    // Nor does a shared lock on its byte make a dead owner look alive.
    owner.kill();
    let mut pinning = peer!();
    pinning.ok(&format!("claims pin-ids {name} 2 1"));
    assert_eq!(lock(&mut other, "0"), "died");
    // Kills the parent, which does not end otherwise.
    other.kill();
}

#[test]
fn ids_of_living_participants_are_not_reused() {
    let names = Names::new("claims-ids");
    let name = names.name("t");
    let shm = create(&name);
    let mut one = attached(&name);
    // As a hostile peer might, or 2^30 registrations.
    let file = File::options()
        .write(true)
        .open(Names::path(&name))
        .unwrap();
    file.write_all_at(&((1_u64 << 30) * 7).to_ne_bytes(), 200)
        .unwrap();
    let mut two = attached(&name);
    // 0 is nobody; 1 and 2 live.
    assert!(is_locked_exclusively(&name, participant(3)).unwrap());
    assert_eq!(lock(&mut one, "try"), "held");
    assert_eq!(lock(&mut two, "try"), "would-block");
    one.kill();
    assert_eq!(lock(&mut two, "0"), "died");
    drop(shm);
}

#[test]
fn a_lack_of_descriptors_fails_at_attach_not_at_lock() {
    let names = Names::new("claims-emfile");
    let name = names.name("t");
    let _shm = create(&name);
    let mut peer = peer!();
    let mut refused = 0;
    for limit in 3..8 {
        peer.ok(&format!("limit files {limit}"));
        let answer = peer.ask(&format!("claims attach {name}"));
        if answer.starts_with("err Os ") {
            assert!(answer.contains("ulimit -n"), "{answer}");
            refused += 1;
        } else {
            assert_eq!(lock(&mut peer, "try"), "held");
            break;
        }
    }
    // One for the handle's descriptor, and another one temporarily.
    assert!(refused >= 2, "{refused}");
}

#[test]
fn participants_of_many_segments_stay_apart() {
    let segments: Vec<Shm<Guarded>> = (0..64)
        .map(|_| Guarded::create_anonymous().unwrap())
        .collect();
    for round in 0..3 {
        for (number, shm) in (0_u64..).zip(&segments) {
            let guard = shm.lock.lock().unwrap();
            assert_eq!(guard.count.get(), round * number);
            guard.count.set((round + 1) * number);
        }
    }
    let places: Vec<usize> = segments
        .iter()
        .map(|shm| shm.as_ptr().addr() >> 30)
        .collect();
    for (number, place) in places.iter().enumerate() {
        assert!(!places[..number].contains(place), "{places:?}");
    }
}

#[test]
fn a_lock_gigabytes_into_a_segment_works() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Long {
        first: Mutex<u64>,
        filler: [u64; 3 << 27],
        last: Mutex<u64>,
    }
    let shm = Long::options().sparse(true).create_anonymous().unwrap();
    let fd = shm.as_fd().try_clone_to_owned().unwrap();
    let other = Long::from_fd(fd).unwrap();
    let (first, last) = (shm.first.lock().unwrap(), other.last.lock().unwrap());
    last.set(7);
    assert!(matches!(
        other.first.try_lock(),
        Err(LockError::WouldBlock(_))
    ));
    assert!(matches!(shm.last.try_lock(), Err(LockError::WouldBlock(_))));
    drop((first, last));
    assert_eq!(shm.last.lock().unwrap().get(), 7);
    assert_eq!(shm.filler[0].get(), 0);
}

/// `SHM_CLAIM_ADDS` sets the additions of each process for a long run.
#[test]
fn additions_under_the_lock_are_never_lost() {
    let each: u64 = count_from_env("SHM_CLAIM_ADDS", 20_000);
    let names = Names::new("claims-add");
    let name = names.name("t");
    let shm = create(&name);
    let mut peers: Vec<Peer> = (0..8).map(|_| attached(&name)).collect();
    let start = Instant::now();
    for peer in &mut peers {
        peer.tell(&format!("claims add {each}"));
    }
    // In the long form they take longer than the deadline for an answer, so this polls their progress.
    let mut seen = (0, Instant::now());
    while seen.0 < 8 * each {
        let count = shm.lock.unlocked().count.get();
        if count > seen.0 {
            seen = (count, Instant::now());
        }
        assert!(seen.1.elapsed() < DEADLINE, "no progress: {shm:?}");
        std::thread::yield_now();
    }
    let took = start.elapsed();
    let mut longest = 0;
    for peer in &mut peers {
        let answer = peer.hear();
        let micros: u128 = answer.strip_prefix("ok ").unwrap().parse().unwrap();
        longest = longest.max(micros);
    }
    println!("8 times {each} in {took:?}, the longest wait {longest} µs");
    let guard = shm.lock.lock().unwrap();
    assert_eq!((guard.count.get(), guard.twin.get()), (8 * each, 8 * each));
}

#[test]
fn a_lock_can_be_acquired_before_the_name_appears() {
    let names = Names::new("claims-unpublished");
    let name = names.name("t");
    let shm = Guarded::create_with(&name, |new| {
        let guard = new.lock.lock().unwrap();
        guard.count.set(7);
        // It belongs to the handle that is being created.
        std::mem::forget(guard);
    })
    .unwrap();
    assert_eq!(lock(&mut attached(&name), "try"), "would-block");
    drop(shm);
}
