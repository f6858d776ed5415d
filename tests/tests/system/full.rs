//! A full file system for shared memory.

#![forbid(unsafe_code)]

use std::os::unix::process::ExitStatusExt;

use shm_core::ShmLayout;
use shm_tests::{Peer, Telemetry, peer, with_restriction};

/// A peer with a small private /dev/shm, where the system allows that.
fn small(bytes: usize) -> Option<Peer> {
    with_restriction(peer!(), &format!("own-shm size={bytes}"))
}

#[test]
fn a_segment_that_does_not_fit_is_refused_without_trace() {
    let Some(mut peer) = small(2 * Telemetry::PAGE_ROUNDED_SIZE) else {
        return;
    };
    for _ in 0..3 {
        peer.ok("open a create /a frame=1");
        peer.ok("open b join /b frame=2");
        for how in ["create", "join"] {
            let text = peer.refused(&format!("open c {how} /c"), "NoSpace");
            let needed = Telemetry::PAGE_ROUNDED_SIZE;
            assert!(text.contains(&format!("needs {needed} bytes")), "{text}");
            assert!(text.contains("has 0 available"), "{text}");
        }
        peer.refused("open c read /c", "NotFound");
        // Every page of the created segments is reserved.
        peer.ok("store a 3");
        peer.ok("store b 4");
        assert_eq!(
            (peer.ok("load a"), peer.ok("load b")),
            ("3".into(), "4".into())
        );
        // Without reservation the header still needs room.
        peer.refused("huge /huge", "NoSpace");
        peer.ok("drop a");
        peer.ok("drop b");
    }
    peer.refused("large /large", "NoSpace");
    peer.refused("populate /populate", "NoSpace");
    assert_eq!(peer.ok("fds"), "");
    // None of the refused calls has taken any room.
    peer.ok("open a create /a");
    peer.ok("open b create /b");
}

#[test]
fn a_file_system_fills_to_its_last_page_and_empties() {
    /// With header and schema, less than 1 MiB and more than what four of them leave.
    const SAMPLES: usize = (1 << 18) - 1500;
    let Some(mut peer) = small(4 << 20) else {
        return;
    };
    for _ in 0..3 {
        for slot in ["a", "b", "c", "d"] {
            peer.ok(&format!("open {slot} create /{slot} samples={SAMPLES}"));
        }
        let text = peer.refused(&format!("open e create /e samples={SAMPLES}"), "NoSpace");
        assert!(text.contains("/dev/shm"), "{text}");
        // Small ones take the rest, page by page.
        let mut more = 0;
        while peer.ask(&format!("open {more} create /{more}")) == "ok " {
            more += 1;
        }
        peer.refused("open e create /e", "NoSpace");
        assert!(more > 0);
        // No page of any of them is missing, which would be a SIGBUS now.
        for (slot, value) in ["a", "b", "c", "d"].into_iter().zip(1..) {
            peer.ok(&format!("store {slot} {value}"));
            assert_eq!(
                peer.ok(&format!("load {slot}")),
                format!("{SAMPLES} {}", SAMPLES * value)
            );
        }
        for slot in 0..more {
            peer.ok(&format!("store {slot} 5"));
            peer.ok(&format!("drop {slot}"));
        }
        for slot in ["a", "b", "c", "d"] {
            peer.ok(&format!("drop {slot}"));
        }
        assert_eq!(peer.ok("list-all"), "");
    }
}

/// What `sparse` gives up, and what reservation is for.
#[test]
fn a_sparse_segment_without_room_is_a_sigbus_on_access() {
    let Some(mut peer) = small(1 << 20) else {
        return;
    };
    peer.refused("open s create /s samples=1000000", "NoSpace");
    peer.ok("open s create /s samples=1000000 sparse=yes");
    peer.tell("store s 1");
    assert_eq!(peer.wait().signal(), Some(libc::SIGBUS));
}

#[test]
fn a_level_is_not_announced_without_room_for_its_record() {
    let Some(mut peer) = small(128 << 10) else {
        return;
    };
    for _ in 0..2 {
        let text = peer.refused("version full /s", "NoSpace");
        // The whole segment, of which it has the first page.
        assert!(text.contains("needs 69632 bytes and"), "{text}");
        assert!(text.contains("has 4096 available"), "{text}");
    }
}

#[test]
fn replacing_an_orphaned_segment_frees_its_space_first() {
    let Some(mut peer) = small(Telemetry::PAGE_ROUNDED_SIZE) else {
        return;
    };
    peer.ok("open a create /a frame=1");
    // The child stays in this file system; its parent is the owner that is killed.
    peer.ok("fork-continue");
    peer.kill();
    peer.refused("open b create /a frame=2", "AlreadyExists");
    peer.ok("drop a");
    peer.refused("open b create /b frame=2", "NoSpace");
    peer.ok("open a create /a frame=2");
    assert_eq!(peer.ok("load a"), "2");
    assert_eq!(peer.ok("current a"), "true");
}

#[test]
fn huge_pages_are_counted_where_the_mount_gives_them() {
    // How many there are depends on how fragmented the memory is.
    for (option, expected) in [("always", 1..=64 << 20), ("never", 0..=0)] {
        let options = format!("own-shm size=128m,huge={option}");
        let Some(mut peer) = with_restriction(peer!(), &options) else {
            return;
        };
        let bytes: usize = peer.ok("huge-pages /t").parse().unwrap();
        assert!(expected.contains(&bytes), "{option}: {bytes}");
    }
}

/// `shmem_enabled` decides for segments without a name. Most systems give them no huge pages.
#[test]
fn huge_pages_of_an_anonymous_segment_are_the_systems() {
    let path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let enabled = std::fs::read_to_string(path).unwrap_or_else(|_| "[never]".to_owned());
    let bytes: usize = peer!().ok("huge-pages none").parse().unwrap();
    if enabled.contains("[never]") || enabled.contains("[deny]") {
        assert_eq!(bytes, 0);
    } else {
        assert!(bytes <= 65 << 20, "{bytes}");
    }
}
