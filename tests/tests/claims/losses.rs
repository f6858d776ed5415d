//! Locks of processes that have lost something since they attached: privileges, /proc, the name, descriptors, or in fork
//! children their id.

use shm_core::ShmLayout;
use shm_core::sync::LockError;
use shm_tests::lock_bytes::{lock, next_participant};
use shm_tests::{DEADLINE, Guarded, Names, Peer, peer, with_restriction};

fn attached(mut peer: Peer, name: &str) -> Peer {
    peer.ok(&format!("claims attach {name}"));
    peer
}

#[test]
fn a_process_without_privileges_keeps_locks_and_probes() {
    let names = Names::new("losses-rights");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let (mut owner, mut poor) = (attached(peer!(), &name), attached(peer!(), &name));
    if nix::unistd::geteuid().is_root() {
        poor.ok("setuid 65534");
    } else {
        println!("partly skipped: only root can become another user");
    }
    // No descriptor is free.
    poor.ok("limit files 0");
    assert_eq!(lock(&mut owner, "forever"), "held");
    assert_eq!(lock(&mut poor, "20"), "timed-out");
    owner.kill();
    assert_eq!(lock(&mut poor, "0"), "died");
    assert!(matches!(shm.lock.try_lock(), Err(LockError::WouldBlock(_))));
    poor.ok("claims unlock");
    // A child would be a separate participant and cannot register any more: an error, and never a lock without protection.
    poor.ok("fork-continue");
    let text = poor.refused("claims lock try", "Os");
    assert!(text.contains("ulimit -n"), "{text}");
    drop(shm.lock.try_lock().map_err(LockError::into_guard));
    // Kills the parent, which does not end otherwise.
    poor.kill();
}

#[test]
fn without_proc_attach_reopens_the_name_if_it_is_current() {
    let names = Names::new("losses-proc");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let Some(peer) = with_restriction(peer!(), "no-proc") else {
        return;
    };
    let mut peer = attached(peer, &name);
    assert_eq!(lock(&mut peer, "forever"), "held");
    assert!(matches!(shm.lock.try_lock(), Err(LockError::WouldBlock(_))));
    peer.ok("claims unlock");
    peer.ok("fork-continue");
    assert_eq!(lock(&mut peer, "forever"), "held");
    peer.ok("claims unlock");
    assert_eq!(next_participant(&name), 4);

    // A child that knows only the name of another segment does not register there.
    shm.unlink().unwrap();
    let other = Guarded::create(&name).unwrap();
    peer.ok("fork-continue");
    let text = peer.refused("claims lock try", "Os");
    assert!(text.contains("thread-self"), "{text}");
    assert_eq!(next_participant(&name), 2);
    drop(other);
    peer.refused("claims lock try", "Os");
    drop(shm.lock.try_lock().unwrap());
    // The first handle of two; the second dies with it.
    peer.kill();
}

#[test]
fn a_segment_with_locks_can_be_created_without_proc() {
    let names = Names::new("losses-create");
    let name = names.name("t");
    let Some(mut owner) = with_restriction(peer!(), "no-proc") else {
        return;
    };
    owner.ok(&format!("claims create {name}"));
    assert_eq!(lock(&mut owner, "forever"), "held");
    let mut other = attached(peer!(), &name);
    assert_eq!(lock(&mut other, "try"), "would-block");
    owner.kill();
    assert_eq!(lock(&mut other, "forever"), "died");
    // The hidden name was renamed to this one.
    assert_eq!(next_participant(&name), 3);
    Guarded::unlink(&name).unwrap();
}

#[test]
fn a_closed_descriptor_never_reports_a_death() {
    let names = Names::new("losses-closed");
    let name = names.name("t");
    let shm = Guarded::create(&name).unwrap();
    let mut prober = attached(peer!(), &name);
    prober.ok("claims close-descriptor");
    let guard = shm.lock.lock().unwrap();
    assert_eq!(lock(&mut prober, "try"), "would-block");
    assert_eq!(lock(&mut prober, "20"), "timed-out");
    drop(guard);
    assert_eq!(lock(&mut prober, "try"), "held");
    // It is protected nevertheless.
    assert!(matches!(shm.lock.try_lock(), Err(LockError::WouldBlock(_))));
    prober.kill();
    let found = shm.lock.lock_timeout(DEADLINE);
    assert!(matches!(found, Err(LockError::OwnerDied(_))));
}

#[test]
fn a_fork_child_with_a_replaced_descriptor_gets_no_lock() {
    let names = Names::new("losses-elsewhere");
    let (name, elsewhere) = (names.name("t"), names.name("other"));
    let _segments = (
        Guarded::create(&name).unwrap(),
        Guarded::create(&elsewhere).unwrap(),
    );
    let mut peer = attached(peer!(), &name);
    let path = Names::path(&elsewhere);
    peer.ok(&format!("claims replace-descriptor {}", path.display()));
    peer.ok("fork-continue");
    let text = peer.refused("claims lock try", "Os");
    assert!(
        text.contains("thread-self") && text.contains(&name),
        "{text}"
    );
    assert_eq!(next_participant(&elsewhere), 2);
    // Kills the parent, which does not end otherwise.
    peer.kill();
}

#[test]
fn a_fork_childs_drop_does_not_unmap_a_reused_address() {
    let names = Names::new("losses-token");
    let name = names.name("t");
    let _shm = Guarded::create(&name).unwrap();
    peer!().ok(&format!("claims fork-drop {name}"));
}

#[test]
fn threads_of_a_fork_child_share_one_participant() {
    let names = Names::new("losses-threads");
    let name = names.name("t");
    let _shm = Guarded::create(&name).unwrap();
    let mut peer = attached(peer!(), &name);
    let before = next_participant(&name);
    for child in 1..=20 {
        peer.ok("claims fork-threads");
        assert_eq!(next_participant(&name), before + child);
    }
}
