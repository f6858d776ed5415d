//! Modes, and processes of other users.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use shm_core::ShmLayout;
use shm_tests::{Guarded, Names, is_root, peer};

/// A user that owns nothing.
const STRANGER: u32 = 54321;

fn mode(name: &str) -> u32 {
    fs::metadata(Names::path(name))
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn the_mode_ignores_the_umask() {
    let names = Names::new("umask");
    let name = names.name("t");
    let mut peer = peer!();
    for umask in ["000", "022", "077", "777"] {
        peer.ok(&format!("umask {umask}"));
        for how in ["create", "join"] {
            for (option, expected) in [
                ("", 0o600),
                ("mode=640", 0o640),
                ("mode=666", 0o666),
                ("mode=400", 0o400),
                // Only permission bits count.
                ("mode=644", 0o644),
            ] {
                peer.ok(&format!("open s {how} {name} {option}"));
                assert_eq!(mode(&name), expected, "{how} {option} under umask {umask}");
                peer.ok("drop s");
                assert!(!Names::exists(&name), "{how} {option}");
            }
        }
    }
}

#[test]
fn an_anonymous_segment_has_the_requested_mode() {
    let mut peer = peer!();
    for (option, expected) in [("", 0o600), ("mode=640", 0o640), ("mode=777", 0o666)] {
        peer.ok(&format!("open s anonymous - {option}"));
        let path = format!("/proc/{}/fd/{}", peer.pid(), peer.ok("fd s"));
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o7777,
            expected
        );
    }
}

#[test]
fn open_or_create_keeps_an_existing_mode() {
    let names = Names::new("mode-join");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} mode=640"));
    other.ok(&format!("open s join {name} mode=666"));
    assert_eq!(mode(&name), 0o640);
}

#[test]
fn a_replaced_orphaned_segment_gets_the_new_mode() {
    let names = Names::new("mode-orphaned");
    let name = names.name("t");
    let (mut owner, mut next) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} mode=666"));
    owner.kill();
    next.ok(&format!("open s create {name}"));
    assert_eq!(mode(&name), 0o600);
}

#[test]
fn another_user_needs_trust_and_permission() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("stranger");
    let name = names.name("t");
    let (mut owner, mut stranger) = (peer!(), peer!());
    stranger.ok(&format!("setuid {STRANGER}"));

    owner.ok(&format!("open s create {name} frame=3 mode=666"));
    for how in ["attach", "read", "join"] {
        let text = stranger.refused(&format!("open s {how} {name}"), "WrongOwner");
        assert!(
            text.contains("user 0") && text.contains(&format!("user {STRANGER}")),
            "{text}"
        );
        stranger.refused(&format!("open s {how} {name} owner=7"), "WrongOwner");
    }
    for trust in ["owner=0", "owner=any"] {
        stranger.ok(&format!("open s attach {name} {trust}"));
        stranger.ok("store s 4");
        assert_eq!(owner.ok("load s"), "4");
    }
    // Attaching does not own the name.
    stranger.refused("unlink s", "PermissionDenied");
    stranger.refused(&format!("remove {name}"), "PermissionDenied");
    let text = stranger.refused(&format!("open n create {name}"), "AlreadyExists");
    assert!(text.contains("user 0"), "{text}");
    owner.ok("drop s");

    owner.ok(&format!("open s create {name} frame=3 mode=644"));
    stranger.ok(&format!("open s read {name} owner=0"));
    assert_eq!(stranger.ok("load s"), "3");
    let text = stranger.refused(&format!("open n attach {name} owner=0"), "PermissionDenied");
    assert!(text.contains("shm_open: Permission denied"), "{text}");
    owner.ok("drop s");

    owner.ok(&format!("open s create {name}"));
    for how in ["attach", "read", "join"] {
        stranger.refused(
            &format!("open n {how} {name} owner=any"),
            "PermissionDenied",
        );
    }
    let text = stranger.refused(&format!("open n create {name}"), "AlreadyExists");
    assert!(text.contains("user 0"), "{text}");
}

#[test]
fn a_user_can_remove_names_that_it_may_not_write() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("forbidden");
    let name = names.name("t");
    let mut user = peer!();
    user.ok(&format!("setuid {STRANGER}"));
    user.ok(&format!("open s create {name}"));
    fs::set_permissions(Names::path(&name), fs::Permissions::from_mode(0o000)).unwrap();
    let text = user.refused(&format!("open n create {name}"), "AlreadyExists");
    assert!(text.contains("may not open it for writing"), "{text}");
    user.ok("persist s");
    user.ok("drop s");
    assert!(Names::exists(&name));
    user.ok(&format!("remove {name}"));

    user.ok(&format!("open s create {name}"));
    fs::set_permissions(Names::path(&name), fs::Permissions::from_mode(0o000)).unwrap();
    user.ok("unlink s");
    assert!(!Names::exists(&name));
}

#[test]
fn the_group_option_admits_a_group() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("group");
    let name = names.name("t");
    let (mut owner, mut stranger) = (peer!(), peer!());
    stranger.ok(&format!("setuid {STRANGER}"));
    for group in [STRANGER + 1, STRANGER] {
        owner.ok(&format!(
            "open s create {name} frame=3 mode=660 group={group}"
        ));
        assert_eq!(fs::metadata(Names::path(&name)).unwrap().gid(), group);
        let attach = format!("open s attach {name} owner=0");
        if group == STRANGER {
            stranger.ok(&attach);
            assert_eq!(stranger.ok("load s"), "3");
        } else {
            stranger.refused(&attach, "PermissionDenied");
        }
        owner.ok("drop s");
    }
}

#[test]
fn a_group_without_membership_is_refused() {
    let names = Names::new("group-denied");
    let name = names.name("t");
    let mut peer = peer!();
    if nix::unistd::geteuid().is_root() {
        peer.ok(&format!("setuid {STRANGER}"));
    }
    let create = format!("open s create {name} group={}", STRANGER + 1);
    let text = peer.refused(&create, "PermissionDenied");
    assert!(
        text.contains("fchown") && text.contains("one of the groups of the process"),
        "{text}"
    );
    assert!(!Names::exists(&name));
    assert_eq!(peer.ok("fds"), "");
}

#[test]
fn a_foreign_last_owner_leaves_an_orphaned_segment() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("stranger-last");
    let name = names.name("t");
    let (mut owner, mut stranger) = (peer!(), peer!());
    stranger.ok(&format!("setuid {STRANGER}"));
    owner.ok(&format!("open s join {name} frame=3 mode=666"));
    stranger.ok(&format!("open s join {name} owner=0"));
    owner.ok("drop s");
    assert_eq!(stranger.ok("current s"), "true");
    stranger.ok("drop s");
    assert!(Names::exists(&name));
    owner.ok(&format!("open s create {name} frame=4"));
    assert_eq!(owner.ok("load s"), "4");
}

#[test]
fn root_does_not_trust_other_users_either() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("root");
    let name = names.name("t");
    let (mut user, mut root) = (peer!(), peer!());
    user.ok(&format!("setuid {STRANGER}"));
    // A process that has changed its user can still use all of it.
    user.ok("open a anonymous -");
    user.ok(&format!("open s create {name} frame=3"));
    assert_eq!(fs::metadata(Names::path(&name)).unwrap().uid(), STRANGER);
    for how in ["attach", "read", "join"] {
        root.refused(&format!("open s {how} {name}"), "WrongOwner");
    }
    root.ok(&format!("open s read {name} owner={STRANGER}"));
    assert_eq!(root.ok("load s"), "3");
    root.ok("drop s");
    // Root could replace another user's orphaned segment, and does not.
    user.kill();
    let text = root.refused(&format!("open s create {name}"), "AlreadyExists");
    assert!(text.contains(&format!("user {STRANGER}")), "{text}");
    root.ok(&format!("remove {name}"));
    assert!(!Names::exists(&name));
}

/// A master of root's forks a worker, which becomes another user.
#[test]
fn a_worker_takes_part_before_it_drops_its_rights() {
    if !is_root("becoming another user") {
        return;
    }
    let worker = |prepare: &[&str]| {
        let mut peer = peer!();
        peer.ok(prepare[0]);
        // From here on the child answers.
        peer.ok("fork-continue");
        for command in &prepare[1..] {
            peer.ok(command);
        }
        peer.ok(&format!("setuid {STRANGER}"));
        let answer = peer.ask("claims lock forever");
        peer.kill();
        answer
    };
    let names = Names::new("worker");
    let name = names.name("t");
    let _shm = Guarded::create(&name).unwrap();
    for create in [
        format!("claims attach {name}"),
        "claims anonymous 600".to_owned(),
    ] {
        let refused = worker(&[&create]);
        assert!(
            refused.contains("call `take_part`, before `setuid`")
                && refused.contains("mode(0o666)"),
            "{refused}"
        );
        let held = worker(&[&create, "claims take-part"]);
        assert!(held.starts_with("ok held"), "{held}");
    }
    let held = worker(&["claims anonymous 666"]);
    assert!(held.starts_with("ok held"), "{held}");
}

#[test]
fn a_handle_is_adopted_before_rights_are_dropped() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("adopter");
    let name = names.name("t");
    let mut creator = peer!("open s create {name}");
    let mut late = peer!("open s attach {name}");
    late.ok(&format!("setuid {STRANGER}"));
    let text = late.refused("adopt s", "PermissionDenied");
    assert!(
        text.contains("call `adopt` before `setuid`") && text.contains("mode(0o666)"),
        "{text}"
    );
    let mut early = peer!("open s attach {name}");
    early.ok("adopt s");
    early.ok(&format!("setuid {STRANGER}"));
    creator.ok("drop s");
    assert_eq!(late.ok("current s"), "true");
    early.kill();
    late.ok("drop s");
    creator.ok(&format!("remove {name}"));
}

#[test]
fn a_memfd_for_another_user_needs_a_wider_mode() {
    if !is_root("becoming another user") {
        return;
    }
    let mut peer = peer!();
    peer.ok("claims anonymous 600");
    peer.ok(&format!("setuid {STRANGER}"));
    let text = peer.refused("claims from-fd", "PermissionDenied");
    assert!(text.contains("mode(0o666)"), "{text}");
    let mut peer = peer!();
    peer.ok("claims anonymous 666");
    peer.ok(&format!("setuid {STRANGER}"));
    peer.ok("claims from-fd");
}
