//! Which handles keep a name, which remove it, and what killed processes leave.

#![forbid(unsafe_code)]

use std::fs;
use std::time::Instant;

use shm_tests::lock_bytes::{ATTACH, NAME, is_locked_exclusively};
use shm_tests::{DEADLINE, Names, peer};

#[test]
fn handles_of_one_process_are_independent() {
    let names = Names::new("several");
    let name = names.name("t");
    let (mut peer, mut other) = (peer!(), peer!());
    let is_live = |other: &mut shm_tests::Peer| {
        let text = other.refused(&format!("open n create {name}"), "AlreadyExists");
        assert!(text.contains("live"), "{text}");
    };
    peer.ok(&format!("open owner create {name} frame=3"));
    for how in ["attach", "read", "join"] {
        peer.ok(&format!("open {how} {how} {name}"));
    }
    // The same memory, mapped four times.
    peer.ok("store attach 4");
    for slot in ["owner", "attach", "read", "join"] {
        assert_eq!(peer.ok(&format!("load {slot}")), "4");
    }
    // A lock of the process, not of the handle, would be released with the first descriptor that is closed.
    for slot in ["read", "attach", "owner"] {
        peer.ok(&format!("drop {slot}"));
        is_live(&mut other);
        assert_eq!(peer.ok("current join"), "true");
        assert_eq!(peer.ok("load join"), "4");
    }
    peer.ok("drop join");
    assert!(!Names::exists(&name));
    assert_eq!(peer.ok("fds"), "");
}

#[test]
fn a_process_that_exits_removes_its_name() {
    let names = Names::new("ends");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    other.ok(&format!("open s attach {name}"));
    owner.end();
    assert!(!Names::exists(&name));
    assert_eq!(other.ok("load s"), "3");
    assert_eq!(other.ok("current s"), "false");
    other.refused(&format!("open again attach {name}"), "NotFound");
}

#[test]
fn an_attached_handle_keeps_the_name_when_dropped() {
    let names = Names::new("attached");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name}"));
    for how in ["attach", "read"] {
        other.ok(&format!("open s {how} {name}"));
        other.ok("drop s");
        assert_eq!(owner.ok("current s"), "true");
    }
    other.ok(&format!("open s attach {name}"));
    other.kill();
    assert_eq!(owner.ok("current s"), "true");
}

#[test]
fn a_fork_childs_drop_keeps_the_name() {
    let names = Names::new("fork-drop");
    let name = names.name("t");
    let mut other = peer!();
    // Also where the kernel does not mark the child, and only the hook does.
    for (how, kernel) in [
        ("create", None),
        ("join", None),
        ("create", Some("wiping")),
        ("create", Some("wiping-silently")),
    ] {
        let mut owner = peer!();
        if let Some(kernel) = kernel {
            owner.ok(&format!("forbid {kernel}"));
        }
        owner.ok(&format!("open s {how} {name} frame=3"));
        owner.ok("fork-drop s");
        assert_eq!(owner.ok("current s"), "true");
        assert_eq!(owner.ok("load s"), "3");
        // Nor did the child release the locks that it shared.
        other.refused(&format!("open s create {name}"), "AlreadyExists");
        owner.ok("drop s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn a_fork_child_keeps_the_memory_but_not_the_name() {
    let names = Names::new("fork-outlive");
    let name = names.name("t");
    let mut owner = peer!();
    for how in ["create", "join"] {
        owner.ok(&format!("open s {how} {name}"));
        owner.ok("fork-outlive s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn each_of_several_adopters_of_a_handle_is_an_owner() {
    let names = Names::new("fork-adopters");
    let name = names.name("t");
    for (how, hand) in [
        ("create", "over"),
        ("create", "keep"),
        ("join", "over"),
        ("join", "keep"),
    ] {
        let mut owner = peer!();
        owner.ok(&format!("open s {how} {name}"));
        owner.ok(&format!("fork-adopters s {hand}"));
        assert!(!Names::exists(&name), "{how} {hand}");
    }
}

#[test]
fn a_fork_child_of_a_killed_owner_keeps_the_segment_live() {
    let names = Names::new("fork-killed");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    // From here on the child answers.
    assert_ne!(owner.ok("fork-continue"), owner.pid().to_string());
    owner.kill();
    assert_eq!(owner.ok("load s"), "3");
    let text = other.refused(&format!("open s create {name}"), "AlreadyExists");
    assert!(text.contains("live"), "{text}");
    owner.ok("drop s");
    // The child does not own the name. Now nobody is attached, so the segment is orphaned.
    assert!(Names::exists(&name));
    other.ok(&format!("open s create {name} frame=4"));
    assert_eq!(other.ok("load s"), "4");
}

#[test]
fn create_replaces_the_segment_of_a_killed_owner() {
    let names = Names::new("killed");
    let name = names.name("t");
    for how in ["create", "join"] {
        let (mut owner, mut next, mut reader) = (peer!(), peer!(), peer!());
        owner.ok(&format!("open s {how} {name} frame=3"));
        owner.kill();
        assert!(Names::exists(&name));
        next.ok(&format!("open s create {name} frame=4"));
        reader.ok(&format!("open s read {name}"));
        assert_eq!(reader.ok("load s"), "4");
        next.ok("drop s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn an_orphaned_segment_of_another_type_is_replaced() {
    let names = Names::new("killed-type");
    let name = names.name("t");
    for how in ["create", "join"] {
        let (mut owner, mut next) = (peer!(), peer!());
        owner.ok(&format!("open s create {name} type=wide"));
        // While anyone is attached, it is not orphaned.
        next.refused(&format!("open s join {name}"), "LayoutMismatch");
        owner.kill();
        next.refused(&format!("open s attach {name}"), "LayoutMismatch");
        next.ok(&format!("open s {how} {name} frame=4"));
        assert_eq!(next.ok("load s"), "4");
        next.ok("drop s");
        assert!(!Names::exists(&name));
    }
}

#[test]
fn replacing_an_orphaned_segment_excludes_others() {
    let names = Names::new("replacing");
    let name = names.name("t");
    let (mut killed, mut pinning, mut replacing, mut other) = (peer!(), peer!(), peer!(), peer!());
    killed.ok(&format!("open s create {name} frame=3"));
    killed.kill();
    // Normally this takes a moment; here the peer has to wait in the middle.
    pinning.ok(&format!("pin {name} {NAME} shared"));
    replacing.tell(&format!("open s create {name} frame=4 timeout=100000"));
    let start = Instant::now();
    while !is_locked_exclusively(&name, ATTACH).unwrap() {
        assert!(start.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    for how in ["attach", "read", "join"] {
        other.refused(&format!("open s {how} {name} timeout=3"), "Busy");
    }
    pinning.kill();
    assert_eq!(replacing.hear(), "ok ");
    other.ok(&format!("open s join {name}"));
    assert_eq!(
        (replacing.ok("load s"), other.ok("load s")),
        ("4".into(), "4".into())
    );
    assert_eq!(replacing.ok("current s"), "true");
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn attach_looks_again_until_a_replacement_has_ended() {
    use shm_tests::step::Stepper;

    let names = Names::new("slow-replacing");
    let name = names.name("t");
    peer!("open s create {name}").kill();
    let mut attaching = peer!();
    // `wait` bridges a replacement too.
    for (how, patience) in [
        ("attach", "timeout=100000"),
        ("read", "timeout=100000"),
        ("join", "timeout=100000"),
        ("join", "timeout=0 wait=ever"),
    ] {
        if !Names::exists(&name) {
            peer!("open s create {name}").kill();
        }
        let mut pinning = peer!("pin {name} {ATTACH} exclusive");
        let command = format!("between open s {how} {name} {patience}");
        let mut stepper = Stepper::begin(&mut attaching, &command);
        // Before and after each pause.
        let mut pauses = 0;
        while pauses < 6 {
            assert!(stepper.step(), "{how}");
            pauses += u32::from(stepper.is_at_sleep());
        }
        pinning.kill();
        assert_eq!(stepper.finish(), "ok ", "{how}");
        attaching.ok("drop s");
    }
}

#[test]
fn kill_during_replacement_keeps_the_orphaned_segment() {
    let names = Names::new("killed-replacing");
    let name = names.name("t");
    let (mut killed, mut pinning, mut replacing, mut other) = (peer!(), peer!(), peer!(), peer!());
    killed.ok(&format!("open s create {name} frame=3"));
    killed.kill();
    pinning.ok(&format!("pin {name} {NAME} shared"));
    replacing.tell(&format!("open s create {name} frame=4 timeout=100000"));
    let start = Instant::now();
    while !is_locked_exclusively(&name, ATTACH).unwrap() {
        assert!(start.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    replacing.kill();
    other.ok(&format!("open s read {name}"));
    assert_eq!(other.ok("load s"), "3");
    other.ok("drop s");
    pinning.kill();
    other.ok(&format!("open s create {name} frame=5"));
}

#[test]
fn opening_an_orphaned_segment_keeps_contents_and_owns_it() {
    let names = Names::new("killed-join");
    let name = names.name("t");
    let (mut owner, mut next) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    owner.kill();
    next.ok(&format!("open s join {name} frame=4"));
    assert_eq!(next.ok("load s"), "3");
    next.ok("drop s");
    assert!(!Names::exists(&name));
}

#[test]
fn a_reader_keeps_the_segment_of_a_killed_owner_live() {
    let names = Names::new("killed-reader");
    let name = names.name("t");
    let (mut owner, mut reader, mut next) = (peer!(), peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    reader.ok(&format!("open s read {name}"));
    owner.kill();
    let text = next.refused(&format!("open s create {name}"), "AlreadyExists");
    assert!(text.contains("live"), "{text}");
    assert_eq!(reader.ok("current s"), "true");

    next.ok(&format!("open s join {name} frame=4"));
    next.ok("store s 5");
    assert_eq!(reader.ok("load s"), "5");
    next.ok("drop s");
    assert!(!Names::exists(&name));
    assert_eq!(reader.ok("load s"), "5");

    // With the reader killed too, a new segment can be created.
    owner = peer!();
    owner.ok(&format!("open s create {name} frame=6"));
    reader.ok(&format!("open s read {name}"));
    owner.kill();
    reader.kill();
    next.ok(&format!("open s create {name} frame=7"));
    assert_eq!(next.ok("load s"), "7");
}

#[test]
fn the_last_owner_removes_the_name_however_others_ended() {
    let names = Names::new("co-owners");
    let name = names.name("t");
    // How each ends: the first creates it, the others join.
    for first in ["create", "join"] {
        let (mut one, mut two, mut three) = (peer!(), peer!(), peer!());
        one.ok(&format!("open s {first} {name} frame=3"));
        two.ok(&format!("open s join {name}"));
        three.ok(&format!("open s join {name}"));
        one.ok("drop s");
        assert_eq!(three.ok("current s"), "true");
        two.kill();
        assert_eq!(three.ok("current s"), "true");
        assert_eq!(three.ok("load s"), "3");
        three.end();
        assert!(!Names::exists(&name));
    }

    // If the last one is killed, the segment is left like that of a single killed owner.
    let (mut one, mut two) = (peer!(), peer!());
    one.ok(&format!("open s join {name} frame=3"));
    two.ok(&format!("open s join {name}"));
    one.ok("drop s");
    two.kill();
    assert!(Names::exists(&name));
    one.ok(&format!("open s create {name} frame=4"));
    assert_eq!(one.ok("load s"), "4");
}

#[test]
fn a_persistent_segment_stays_until_it_is_unlinked() {
    let names = Names::new("persist");
    let name = names.name("t");
    let (mut owner, mut peer, mut next) = (peer!(), peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    owner.ok("persist s");
    owner.end();
    assert!(Names::exists(&name));
    let text = next.refused(&format!("open s create {name}"), "AlreadyExists");
    assert!(text.contains("persistent"), "{text}");
    // Handles that open it do not remove it, and a kill does not change that it is persistent.
    let mut killed = peer!();
    killed.ok(&format!("open s join {name}"));
    killed.kill();
    next.ok(&format!("open s join {name}"));
    next.ok("drop s");
    next.refused(&format!("open s create {name}"), "AlreadyExists");

    peer.ok(&format!("open s attach {name}"));
    assert_eq!(
        (peer.ok("load s"), peer.ok("current s")),
        ("3".into(), "true".into())
    );
    next.ok(&format!("remove {name}"));
    assert!(!Names::exists(&name));
    assert_eq!(peer.ok("current s"), "false");
    next.refused(&format!("remove {name}"), "NotFound");

    // Created again while the old one is in use: there are two segments, and the name leads to one.
    next.ok(&format!("open s create {name} frame=4"));
    peer.ok("store s 5");
    assert_eq!(
        (next.ok("load s"), peer.ok("load s")),
        ("4".into(), "5".into())
    );
    assert_eq!(
        (next.ok("current s"), peer.ok("current s")),
        ("true".into(), "false".into())
    );
    // A handle that is not current cannot affect its successor, neither by a call nor by its drop.
    peer.refused("unlink s", "NotFound");
    peer.refused("persist s", "NotFound");
    peer.end();
    assert_eq!(next.ok("current s"), "true");
}

#[test]
fn any_handle_can_unlink_and_all_stay_attached() {
    let names = Names::new("unlink");
    let name = names.name("t");
    let (mut owner, mut reader, mut next) = (peer!(), peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    reader.ok(&format!("open s read {name}"));
    reader.ok("unlink s");
    assert!(!Names::exists(&name));
    owner.ok("store s 4");
    assert_eq!(reader.ok("load s"), "4");
    next.ok(&format!("open s create {name} frame=5"));
    // The old owner's drop leaves the new segment alone.
    owner.end();
    reader.end();
    assert_eq!(next.ok("current s"), "true");
    assert_eq!(fs::metadata(Names::path(&name)).unwrap().len() % 4096, 0);
}
