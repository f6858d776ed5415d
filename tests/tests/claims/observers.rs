//! Processes that only look, or cannot become participants: they learn of deaths too, and never take a living owner for dead.

use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, Owner, SeqLock};
use shm_tests::{Block, Guarded, Names, Peer, RingSegment, SmallValue, WaitSegment, peer};

type Queue = Broadcast<SmallValue, 5>;

fn is_alive(owner: Option<Owner>) -> Option<bool> {
    owner.map(|owner| owner.is_alive())
}

/// Lets a peer take a role by `take`, stops it and kills it, and checks what `look` sees at each step.
fn watch(mut peer: Peer, take: &str, look: impl Fn() -> Option<Owner>) {
    let before = is_alive(look());
    assert_ne!(before, Some(true), "{take}");
    peer.ok(take);
    assert_eq!(is_alive(look()), Some(true), "{take}");
    peer.stop();
    assert_eq!(is_alive(look()), Some(true), "{take}");
    peer.kill();
    assert_eq!(is_alive(look()), Some(false), "{take}");
    assert_eq!(is_alive(look()), Some(false), "{take}");
}

#[test]
fn a_read_only_handle_tells_dead_owners_from_living_ones() {
    let names = Names::new("observers-owner");
    let [lock, seqlock, ring, queue, meet] =
        ["lock", "seqlock", "ring", "queue", "meet"].map(|tag| names.name(tag));
    let _segments = (
        Guarded::create(&lock).unwrap(),
        SeqLock::<Block>::create(&seqlock).unwrap(),
        RingSegment::create(&ring).unwrap(),
        Queue::create(&queue).unwrap(),
        WaitSegment::create(&meet).unwrap(),
    );
    let guarded = Guarded::attach_read_only(&lock).unwrap();
    let value = SeqLock::<Block>::attach_read_only(&seqlock).unwrap();
    let messages = RingSegment::attach_read_only(&ring).unwrap();
    let ticks = Queue::attach_read_only(&queue).unwrap();
    let rounds = WaitSegment::attach_read_only(&meet).unwrap();
    // The second owner takes the role over from the first, which is dead.
    for _ in 0..2 {
        let take = "claims lock forever";
        watch(peer!("claims attach {lock}"), take, || guarded.lock.owner());
        let take = "seqlock write forever";
        watch(peer!("seqlock attach {seqlock}"), take, || value.writer());
        let ends = || peer!("ring attach {ring}");
        watch(ends(), "ring sender", || messages.ring.sender_owner());
        watch(ends(), "ring receiver", || messages.ring.receiver_owner());
        let take = "broadcast sender";
        watch(peer!("broadcast attach {queue}"), take, || {
            ticks.sender_owner()
        });
    }
    let take = "waiting meet join";
    watch(peer!("waiting attach {meet}"), take, || {
        rounds.meet.seat_owner(0)
    });
    assert_eq!(rounds.meet.seat_owner(1), None);
}

#[test]
fn a_role_that_was_released_has_no_owner() {
    let names = Names::new("observers-released");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let monitor = Guarded::attach_read_only(&name).unwrap();
    let mut peer = peer!("claims attach {name}");
    peer.ok("claims lock forever");
    peer.ok("claims unlock");
    assert_eq!(monitor.lock.owner(), None);
    peer.kill();
    assert_eq!(monitor.lock.owner(), None);
    // The monitor's own process is an owner like any other.
    let guard = shm.lock.lock().unwrap();
    assert_eq!(is_alive(monitor.lock.owner()), Some(true));
    assert_eq!(is_alive(shm.lock.owner()), Some(true));
    drop(guard);
    assert_eq!(monitor.lock.owner(), None);
}

#[test]
fn the_last_handle_detects_a_death_though_it_is_read_only() {
    let names = Names::new("observers-last");
    let name = names.name("t");
    let mut creator = peer!("broadcast create {name}");
    creator.ok("broadcast sender");
    let shm = Queue::attach_read_only(&name).unwrap();
    assert_eq!(is_alive(shm.sender_owner()), Some(true));
    // Nobody but this handle is attached from here on.
    creator.kill();
    assert_eq!(is_alive(shm.sender_owner()), Some(false));
    let mut receiver = shm.receiver();
    assert!(receiver.recv().is_err());
    drop(shm);
    Queue::unlink(&name).unwrap();
}

/// Whether the reader's process takes the living sender for dead, by waiting and by looking.
fn takes_sender_for_dead(reader: &mut Peer) -> bool {
    let waited = reader.ok("broadcast recv 20");
    let present = reader.ok("broadcast await 0");
    let owner = reader.ok("broadcast owner");
    assert_eq!(waited == "disconnected", present == "timed-out");
    assert_eq!(waited == "disconnected", owner == "dead");
    waited == "disconnected"
}

#[test]
fn a_reader_with_a_replaced_descriptor_reports_no_death() {
    let names = Names::new("observers-replaced");
    let (name, elsewhere) = (names.name("t"), names.name("other"));
    let shm = Queue::create(&name).unwrap();
    // Its handles hold the same bytes, except for that of the sender's id.
    let _other = Queue::create(&elsewhere).unwrap();
    let _second = Queue::attach(&name).unwrap();
    let mut sender = peer!("broadcast attach {name}");
    sender.ok("broadcast sender");
    let plain = std::env::current_exe().unwrap();
    for path in [Names::path(&elsewhere), plain] {
        let mut reader = peer!("broadcast attach-read-only {name}");
        reader.ok(&format!("broadcast replace-descriptor {}", path.display()));
        assert!(!takes_sender_for_dead(&mut reader), "{}", path.display());
    }
    let mut reader = peer!("broadcast attach-read-only {name}");
    reader.ok("broadcast close-descriptor");
    assert!(!takes_sender_for_dead(&mut reader));
    // Another description of the right file is as good as the first.
    let mut reader = peer!("broadcast attach-read-only {name}");
    let path = Names::path(&name);
    reader.ok(&format!("broadcast replace-descriptor {}", path.display()));
    assert!(!takes_sender_for_dead(&mut reader));
    sender.kill();
    assert!(takes_sender_for_dead(&mut reader));
    drop(shm);
}

#[test]
fn a_reader_whose_probes_fail_or_do_nothing_reports_no_death() {
    let names = Names::new("observers-forbidden");
    let name = names.name("t");
    let _shm = Queue::create(&name).unwrap();
    let mut sender = peer!("broadcast attach {name}");
    sender.ok("broadcast sender");
    for what in ["ofd-locks", "ofd-queries-silently", "queries-silently"] {
        let mut reader = peer!("broadcast attach-read-only {name}");
        reader.ok(&format!("forbid {what}"));
        assert!(!takes_sender_for_dead(&mut reader), "{what}");
    }
    // These cannot tell, so they still report nothing.
    let mut reader = peer!("broadcast attach-read-only {name}");
    reader.ok("forbid queries-silently");
    sender.kill();
    assert!(!takes_sender_for_dead(&mut reader));
}

#[test]
fn fork_children_learn_of_deaths_before_they_take_part() {
    let names = Names::new("observers-fork");
    let name = names.name("t");
    let _shm = Queue::create(&name).unwrap();
    for kind in ["attach", "attach-read-only"] {
        let mut sender = peer!("broadcast attach {name}");
        sender.ok("broadcast sender");
        let mut reader = peer!("broadcast {kind} {name}");
        // A child that could not take part: no descriptor is free.
        reader.ok("limit files 0");
        reader.ok("fork-continue");
        assert!(!takes_sender_for_dead(&mut reader), "{kind}");
        sender.kill();
        assert!(takes_sender_for_dead(&mut reader), "{kind}");
        // Kills the parent, which does not end otherwise.
        reader.kill();
    }
}
