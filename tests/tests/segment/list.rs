//! What `list` returns for segments of living and of killed processes, and what `sweep` removes of them.

#![forbid(unsafe_code)]

use std::fs;

use shm_tests::{Names, Peer, is_root, peer, with_restriction};

/// Peers that share a private /dev/shm, so that they can sweep it.
fn alone() -> Option<Peer> {
    with_restriction(peer!(), "own-shm size=64m")
}

#[test]
fn list_gives_every_process_the_same_entry() {
    let names = Names::new("list");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    assert_eq!(other.ok(&format!("list {name}")), "");
    owner.ok(&format!("open s create {name}"));
    let user = nix::unistd::geteuid();
    let entry = other.ok(&format!("list {name}"));
    let pid = owner.pid();
    assert_eq!(
        entry,
        format!("Live owner={user} attached=true owned=true pid={pid} type=Telemetry")
    );
    assert_eq!(owner.ok(&format!("list {name}")), entry);
    owner.kill();
    let entry = other.ok(&format!("list {name}"));
    assert!(
        entry.starts_with(&format!(
            "Orphaned owner={user} attached=false owned=false pid={pid} "
        )),
        "{entry}"
    );
    other.ok(&format!("open s read {name}"));
    let entry = other.ok(&format!("list {name}"));
    assert!(
        entry.starts_with(&format!("Live owner={user} attached=true owned=false ")),
        "{entry}"
    );
    other.ok("drop s");
    other.ok(&format!("remove {name}"));
}

#[test]
fn sweep_removes_only_orphaned_segments() {
    let Some(mut peer) = alone() else { return };
    // One process after the other, all in that /dev/shm: each continues as a child of the killed one.
    peer.ok("open a create /killed");
    peer.ok("open b create /persistent");
    peer.ok("persist b");
    peer.ok("open d create /readers");
    peer.ok("fork-continue");
    peer.kill();
    peer.ok("drop a");
    peer.ok("drop b");
    peer.ok("open l create /live");
    peer.ok("open r read /readers");
    peer.ok("drop d");
    fs::write(
        format!("/proc/{}/root/dev/shm/foreign", peer_pid(&mut peer)),
        "text",
    )
    .unwrap();
    assert_eq!(
        peer.ok("list-all"),
        "/foreign Foreign,/killed Orphaned,/live Live,/persistent Persistent,/readers Live"
    );
    assert_eq!(peer.ok("sweep"), "/killed");
    assert_eq!(
        peer.ok("list-all"),
        "/foreign Foreign,/live Live,/persistent Persistent,/readers Live"
    );
    assert_eq!(peer.ok("sweep"), "");
    peer.ok("drop r");
    assert_eq!(peer.ok("sweep"), "/readers");
    assert_eq!(peer.ok("current l"), "true");
    // Neither listing nor sweeping keeps anything open.
    assert!(!peer.ok("fds").contains("/readers"));
}

/// The process that answers now, as this one sees it.
fn peer_pid(peer: &mut Peer) -> String {
    peer.ok("pid")
}

#[test]
fn list_yields_thousands_of_names_one_by_one() {
    let Some(mut peer) = alone() else { return };
    let folder = format!("/proc/{}/root/dev/shm", peer_pid(&mut peer));
    for number in 0..3000 {
        fs::write(format!("{folder}/some-{number:05}"), "").unwrap();
    }
    peer.ok("open s create /one");
    let before = peer.ok("usage");
    assert!(peer.ok("list /one").starts_with("Live "));
    let files = |usage: &str| usage.split(' ').next().map(str::to_owned);
    assert_eq!(files(&before), files(&peer.ok("usage")));
    assert_eq!(peer.ok("list-all").split(',').count(), 3001);
    assert_eq!(peer.ok("sweep"), "");
}

#[test]
fn other_users_list_what_they_can_read_and_sweep_nothing() {
    if !is_root("becoming another user") {
        return;
    }
    let Some(mut owner) = alone() else { return };
    owner.ok("open a create /open mode=644");
    owner.ok("open b create /closed");
    owner.ok("fork-continue");
    owner.kill();
    owner.ok("drop a");
    owner.ok("drop b");
    owner.ok("setuid 54321");
    let entry = owner.ok("list /open");
    assert!(
        entry.starts_with("Orphaned owner=0 attached=false "),
        "{entry}"
    );
    assert_eq!(
        owner.ok("list /closed"),
        "Unreadable owner=0 because it cannot be opened: Permission denied (os error 13)"
    );
    assert_eq!(owner.ok("sweep"), "");
    owner.ok("open m create /mine");
    assert_eq!(owner.ok("list-all").split(',').count(), 3);
}

#[test]
fn list_without_free_descriptors_is_an_error() {
    let names = Names::new("no-files");
    let (mut owner, mut other) = (peer!(), peer!());
    let name = names.name("t");
    owner.ok(&format!("open s create {name}"));
    other.ok("limit files 3");
    for command in ["list-all", "sweep"] {
        let text = other.refused(command, "Os");
        assert!(text.starts_with("/dev/shm: opendir: Too many"), "{text}");
        assert!(text.contains("ulimit -n"), "{text}");
    }
    // With the directory open, no descriptor is free for a segment. The number depends on what was inherited.
    let mut answers = (4..64).map(|files| {
        other.ok(&format!("limit files {files}"));
        other.ask(&format!("list {name}"))
    });
    let text = answers
        .find(|answer| !answer.contains("opendir"))
        .unwrap_or_default();
    assert!(text.starts_with("err Os "), "{text}");
    assert!(text.contains("shm_open: Too many open files"), "{text}");
    other.ok("limit files 64");
    assert!(other.ok(&format!("list {name}")).starts_with("Live "));
}
