//! A file system for shared memory that is full.

#![forbid(unsafe_code)]

use shm_core::ShmLayout;
use shm_tests::{Peer, Telemetry, confined, peer};

/// A peer with a small /dev/shm of its own, where the system allows that.
fn small(bytes: usize) -> Option<Peer> {
    confined(peer!(), &format!("own-shm size={bytes}"))
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
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
        // Every page of what did fit is there.
        peer.ok("store a 3");
        peer.ok("store b 4");
        assert_eq!(
            (peer.ok("load a"), peer.ok("load b")),
            ("3".into(), "4".into())
        );
        // What is not reserved needs room for its header all the same.
        peer.refused("huge /huge", "NoSpace");
        peer.ok("drop a");
        peer.ok("drop b");
    }
    peer.refused("large /large", "NoSpace");
    peer.refused("populate /populate", "NoSpace");
    assert_eq!(peer.ok("fds"), "");
    // Nothing of all that has taken any room.
    peer.ok("open a create /a");
    peer.ok("open b create /b");
}

#[test]
fn a_leftover_that_fills_it_makes_room_for_its_successor() {
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
