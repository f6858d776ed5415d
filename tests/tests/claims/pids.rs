//! Pids for people: errors and observers name the process that holds something, and a segment names its participants.

use std::fmt::Display;
use std::os::fd::AsFd;
use std::time::Duration;

use shm_core::sync::{BarrierError, Broadcast, LockError, Mutex, SeqLock};
use shm_core::{SegmentInfo, Shm, ShmError, ShmLayout};
use shm_tests::{
    Block, Guarded, Names, Peer, RingSegment, SmallValue, Telemetry, WaitSegment, peer,
    pid_namespaces,
};

const NOW: Duration = Duration::ZERO;

/// The text of a refusal, which names a process at the start of a sentence or in it.
#[track_caller]
fn refusal<G, E: Display>(result: Result<G, E>) -> String {
    result.map(drop).expect_err("another holds it").to_string()
}

fn look(name: &str) -> SegmentInfo {
    let mut segments = shm_core::list().unwrap().map(Result::unwrap);
    segments.find(|info| info.name == name).expect("listed")
}

/// The same, with the participants of that moment.
fn look_with_participants(name: &str) -> SegmentInfo {
    let segments = shm_core::list().unwrap().with_participants();
    let mut segments = segments.map(Result::unwrap);
    segments.find(|info| info.name == name).expect("listed")
}

/// The pids in a segment, sorted.
fn pids(name: &str) -> Vec<u32> {
    let found = look(name).participants().unwrap();
    assert!(found.complete);
    let listed = look_with_participants(name).participants().unwrap();
    assert_eq!(found, listed);
    let mut pids = found.pids;
    pids.sort_unstable();
    pids
}

fn sorted<const N: usize>(peers: [u32; N]) -> Vec<u32> {
    let mut pids = peers.to_vec();
    pids.sort_unstable();
    pids
}

#[test]
fn every_refusal_names_the_process_that_holds_the_role() {
    let names = Names::new("pids-refused");
    let [lock, seqlock, ring, queue, meet] =
        ["lock", "seqlock", "ring", "queue", "meet"].map(|tag| names.name(tag));
    let guarded = Guarded::create(&lock).unwrap();
    let value = SeqLock::<Block>::create(&seqlock).unwrap();
    let messages = RingSegment::create(&ring).unwrap();
    let ticks = Broadcast::<SmallValue, 5>::create(&queue).unwrap();
    let rounds = WaitSegment::create(&meet).unwrap();

    let mut peer = peer!();
    let holder = format!("process {}", peer.pid());
    for command in [
        format!("claims attach {lock}"),
        format!("seqlock attach {seqlock}"),
        format!("ring attach {ring}"),
        format!("broadcast attach {queue}"),
        format!("waiting attach {meet}"),
    ] {
        peer.ok(&command);
    }
    for take in [
        "claims lock forever",
        "seqlock write forever",
        "ring sender",
        "broadcast sender",
        "waiting meet join",
    ] {
        peer.ok(take);
    }
    let holds = format!("{holder} holds ");
    let held = format!("timed out while {holder} held ");
    for (text, start) in [
        // Also where nothing was probed before.
        (refusal(guarded.lock.try_lock()), &holds),
        (refusal(guarded.lock.try_lock()), &holds),
        (refusal(guarded.lock.lock_timeout(NOW)), &held),
        (refusal(value.try_write()), &holds),
        (refusal(value.write_timeout(NOW)), &held),
        (refusal(messages.ring.sender()), &holds),
        (refusal(messages.ring.sender_timeout(NOW)), &holds),
        (refusal(ticks.sender()), &holds),
    ] {
        assert!(text.starts_with(start), "{text}");
    }
    let mut mine = rounds.meet.join().unwrap();
    let late = mine.wait_timeout(NOW).unwrap_err();
    let BarrierError::TimedOut { seat: 0, owner } = late else {
        panic!("{late}");
    };
    assert_eq!(owner.and_then(|owner| owner.pid()), Some(peer.pid()));
    assert!(late.to_string().contains(&format!("{holder} in seat 0 ")));
    for owner in [
        Guarded::attach_read_only(&lock).unwrap().lock.owner(),
        guarded.lock.owner(),
        value.writer(),
        messages.ring.sender_owner(),
        ticks.sender_owner(),
        rounds.meet.seat_owner(0),
    ] {
        let owner = owner.expect("the peer owns it");
        assert_eq!(owner.pid(), Some(peer.pid()));
        assert!(owner.is_alive() && !owner.is_stopped());
        assert_eq!(owner.to_string(), holder);
    }
    assert_eq!(messages.ring.receiver_owner(), None);
}

#[test]
fn a_refusal_by_the_own_process_says_so() {
    let shm = Mutex::<u64>::create_anonymous().unwrap();
    let fd = shm.as_fd().try_clone_to_owned().unwrap();
    let other = Mutex::<u64>::from_fd(fd).unwrap();
    let _guard = shm.lock().unwrap();
    let me = format!("process {} (also this process's pid)", std::process::id());
    for handle in [&shm, &other] {
        let text = refusal(handle.try_lock());
        assert!(text.starts_with(&me), "{text}");
        assert_eq!(handle.owner().unwrap().to_string(), me);
    }
    let text = refusal(other.lock_timeout(NOW));
    assert!(text.contains(&me), "{text}");
}

#[test]
fn a_holder_that_is_stopped_or_dead_is_called_so() {
    let names = Names::new("pids-stopped");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let monitor = Guarded::attach_read_only(&name).unwrap();
    let mut peer = peer!("claims attach {name}");
    let process = format!("process {}", peer.pid());
    peer.ok("claims lock forever");
    peer.stop();
    let late = shm.lock.lock_timeout(NOW).map(drop).unwrap_err();
    let text = late.to_string();
    assert!(text.contains(&format!("{process} (stopped)")), "{text}");
    let LockError::TimedOut(owner) = late.into_owned() else {
        panic!("{text}");
    };
    assert!(owner.is_alive() && owner.is_stopped());
    let owner = monitor.lock.owner().unwrap();
    assert!(owner.is_alive() && owner.is_stopped());
    // A look that must cost nothing does not find out.
    let text = refusal(shm.lock.try_lock());
    assert!(text.starts_with(&format!("{process} holds")), "{text}");

    peer.kill();
    let owner = monitor.lock.owner().unwrap();
    assert!(!owner.is_alive() && !owner.is_stopped());
    // The monitor has seen it alive, and remembers its pid. Others cannot find it any more.
    assert_eq!(owner.to_string(), format!("{process} (dead)"));
    let late = Guarded::attach_read_only(&name).unwrap();
    let owner = late.lock.owner().unwrap();
    assert_eq!((owner.pid(), owner.is_alive()), (None, false));
    assert_eq!(owner.to_string(), "a process (dead)");
}

#[test]
fn a_holder_in_another_pid_namespace_shows_its_own_pid() {
    let Some(start) = pid_namespaces(env!("CARGO_BIN_EXE_peer")) else {
        return;
    };
    let names = Names::new("pids-namespace");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let mut inside: [Peer; 2] = [start(), start()];
    for peer in &mut inside {
        assert_eq!(peer.ok("pid"), "1");
        peer.ok(&format!("claims attach {name}"));
    }
    assert_eq!(pids(&name), sorted([std::process::id(), 1, 1]));
    inside[0].ok("claims lock forever");
    let text = refusal(shm.lock.lock_timeout(NOW));
    // Process 1 of this namespace is not taken for it.
    assert!(
        text.starts_with("timed out while process 1 held "),
        "{text}"
    );
    // From inside, the other one has the same number as oneself.
    let listed = inside[1].ok(&format!("participants {name}"));
    assert_eq!(listed, format!("{} 1 1", std::process::id()));
}

#[test]
fn participants_are_listed_as_long_as_they_live() {
    let names = Names::new("pids-listed");
    let (name, plain) = (names.name("t"), names.name("plain"));
    let me = std::process::id();
    let shm = Guarded::create(&name).unwrap();
    let _reader = Guarded::attach_read_only(&name).unwrap();
    assert_eq!(pids(&name), [me]);
    let mut peers: [Peer; 3] = std::array::from_fn(|_| peer!("claims attach {name}"));
    let [a, b, c] = [0, 1, 2].map(|number: usize| peers[number].pid());
    assert_eq!(pids(&name), sorted([me, a, b, c]));
    let again = Guarded::attach(&name).unwrap();
    assert_eq!(pids(&name), sorted([me, me, a, b, c]));
    drop(again);
    peers[0].stop();
    peers[1].kill();
    assert_eq!(pids(&name), sorted([me, a, c]));
    // A peer that may only read sees the same.
    let listed = peers[2].ok(&format!("participants {name}"));
    assert_eq!(listed, format!("{me} {a} {c}"));
    peers[0].kill();

    // Types without claims have no participants.
    let _plain = Telemetry::create(&plain).unwrap();
    assert!(pids(&plain).is_empty());
    // A name that leads elsewhere by now is not confused with the segment that was looked at.
    let seen = look(&name);
    let listed = look_with_participants(&name);
    drop(shm);
    let gone = seen.participants().unwrap_err();
    assert!(matches!(gone, ShmError::NotFound { .. }), "{gone}");
    let _next: Shm<Guarded> = Guarded::create(&name).unwrap();
    let gone = seen.participants().unwrap_err();
    assert!(matches!(gone, ShmError::NotFound { .. }), "{gone}");
    assert_eq!(gone.name(), name);
    // The participants that were listed with it are its own.
    let mut pids = listed.participants().unwrap().pids;
    pids.sort_unstable();
    assert_eq!(pids, sorted([me, c]));
}
