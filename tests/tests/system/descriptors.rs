//! Descriptors are passed on where that is wanted, and nowhere else.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use shm_core::ShmLayout;
use shm_tests::peer::FIRST_INHERITED;
use shm_tests::{Names, Peer, Telemetry, peer};

#[test]
fn exec_inherits_no_descriptors() {
    let names = Names::new("exec");
    let (one, two) = (names.name("one"), names.name("two"));
    let (mut peer, mut other) = (peer!(), peer!());
    other.ok(&format!("open s create {one}"));
    peer.ok(&format!("open a attach {one}"));
    peer.ok(&format!("open b read {one}"));
    peer.ok(&format!("open c create {two}"));
    peer.ok(&format!("open d join {two}"));
    peer.ok("open e anonymous -");
    let here = peer.ok("fds");
    assert_eq!(here.split(',').count(), 5, "{here}");
    assert!(here.contains(&one) && here.contains("memfd:"), "{here}");
    assert_eq!(peer.ok("exec-fds"), "");
    // Dropped handles leave none behind either.
    for slot in ["a", "b", "c", "d", "e"] {
        peer.ok(&format!("drop {slot}"));
    }
    assert_eq!(peer.ok("fds"), "");
}

#[test]
fn refused_calls_leak_no_descriptors() {
    let names = Names::new("refused");
    let name = names.name("t");
    let (mut owner, mut peer) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} type=wide"));
    peer.refused(&format!("open s attach {name}"), "LayoutMismatch");
    peer.refused(&format!("open s read {name}"), "LayoutMismatch");
    peer.refused(&format!("open s join {name}"), "LayoutMismatch");
    peer.refused(&format!("open s create {name}"), "AlreadyExists");
    assert_eq!(peer.ok("fds"), "");
}

#[test]
fn an_inherited_descriptor_gives_the_same_memory() {
    const NUMBER: i32 = FIRST_INHERITED as i32;
    let shm = Telemetry::create_anonymous().unwrap();
    shm.store(Telemetry::numbered(3));
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    let fd = shm.as_fd().as_raw_fd();
    let inherit = move || {
        // SAFETY: one system call that touches no memory. The duplicate, unlike the original, survives `exec`.
        match unsafe { libc::dup2(fd, NUMBER) } {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: the closure only makes a system call that is safe between fork and exec.
    unsafe { command.pre_exec(inherit) };
    let mut peer = Peer::spawn(&mut command);

    assert!(peer.ok("fds").contains("memfd:"));
    assert!(peer.ok("exec-fds").contains("memfd:"));
    peer.ok(&format!("open s fd {NUMBER}"));
    // The handle does not pass it on by accident.
    assert_eq!(peer.ok("exec-fds"), "");
    assert_eq!(peer.ok("load s"), "3");
    peer.ok("store s 4");
    assert_eq!(shm.load(), Telemetry::numbered(4));
    shm.store(Telemetry::numbered(5));
    drop(shm);
    assert_eq!(peer.ok("load s"), "5");
    peer.refused("unlink s", "NotFound");
    assert_eq!(peer.ok("current s"), "false");
}

#[test]
fn a_descriptor_sent_over_a_socket_gives_the_same_memory() {
    let names = Names::new("socket");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok("open s anonymous - frame=3");
    for how in ["socket", "socket-read"] {
        let address = names.name(how);
        owner.tell(&format!("offer {address} s as-it-is"));
        assert_eq!(owner.hear(), "offering");
        other.ok(&format!("open {how} {how} {address}"));
        assert_eq!(owner.hear(), "ok ");
        assert_eq!(other.ok(&format!("load {how}")), "3");
    }
    // The handles do not pass it on, although it was not close-on-exec when it arrived.
    assert_eq!(other.ok("exec-fds"), "");
    other.ok("store socket 4");
    assert_eq!(
        (owner.ok("load s"), other.ok("load socket-read")),
        ("4".into(), "4".into())
    );
    owner.kill();
    other.ok("store socket 5");
    assert_eq!(other.ok("load socket-read"), "5");
}

#[test]
fn a_descriptor_sent_without_all_seals_is_refused() {
    let names = Names::new("socket-unsealed");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok("open s anonymous - frame=3");
    for seals in ["no-seals", "shrink", "grow"] {
        for how in ["socket", "socket-read"] {
            let address = names.name(&format!("{seals}-{how}"));
            owner.tell(&format!("offer {address} s {seals}"));
            assert_eq!(owner.hear(), "offering");
            let text = other.refused(&format!("open s {how} {address}"), "NotASegment");
            assert_eq!(owner.hear(), "ok ");
            assert!(
                text.contains("its size is not sealed (F_SEAL_SHRINK, F_SEAL_GROW)"),
                "{text}"
            );
        }
    }
    // Refused descriptors are not kept either.
    assert_eq!(other.ok("fds"), "");
}

#[test]
fn another_processes_descriptor_opens_by_its_proc_path() {
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok("open s anonymous - frame=3");
    let path = format!("/proc/{}/fd/{}", owner.pid(), owner.ok("fd s"));
    other.ok(&format!("open s file {path}"));
    other.ok(&format!("open r file-read {path}"));
    other.ok("store s 4");
    assert_eq!(
        (owner.ok("load s"), other.ok("load r")),
        ("4".into(), "4".into())
    );
    owner.kill();
    other.ok("store s 5");
    assert_eq!(other.ok("load r"), "5");
}

#[test]
fn an_anonymous_segment_is_shared_by_fork() {
    let mut peer = peer!();
    peer.ok("open s anonymous -");
    assert_eq!(peer.ok("fork-exchange s"), "1001");
    // A child that drops its copy does not affect its parent.
    peer.ok("fork-drop s");
    peer.ok("store s 4");
    assert_eq!(peer.ok("load s"), "4");
    // A child whose parent is killed continues.
    peer.ok("fork-continue");
    peer.kill();
    assert_eq!(peer.ok("load s"), "4");
}

#[test]
fn a_named_segment_is_shared_by_fork() {
    let names = Names::new("fork-named");
    let mut peer = peer!();
    peer.ok(&format!("open s create {}", names.name("t")));
    assert_eq!(peer.ok("fork-exchange s"), "1001");
}

#[test]
fn a_named_segments_descriptor_is_not_anonymous() {
    let names = Names::new("named-fd");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {}", names.name("t")));
    let path = format!("/proc/{}/fd/{}", owner.pid(), owner.ok("fd s"));
    let text = other.refused(&format!("open s file {path}"), "NotASegment");
    assert!(
        text.starts_with("the descriptor is not an anonymous segment"),
        "{text}"
    );
    assert!(Telemetry::create_anonymous().is_ok());
}
