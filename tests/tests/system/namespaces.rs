//! Processes in user and pid namespaces, where users and processes have other numbers than outside.

#![forbid(unsafe_code)]

use std::time::Instant;

use shm_tests::lock_bytes::lock;
use shm_tests::{DEADLINE, Names, Peer, is_root, peer, user_and_pid_namespaces, with_restriction};

/// A user that owns nothing.
const STRANGER: u32 = 54321;

/// The number that the kernel shows for a user without one in a namespace.
const NOBODY: u32 = 65534;

/// A peer of this user in a user namespace, where it has the number; `none` for no number.
fn inside(number: &str) -> Option<Peer> {
    with_restriction(peer!(), &format!("user-namespace {number}"))
}

/// A peer that is process 1 of a pid namespace, in a user namespace too. `None` if the system does not allow it.
fn apart() -> Option<Peer> {
    user_and_pid_namespaces(env!("CARGO_BIN_EXE_peer")).map(|start| start())
}

/// The numbers inside: root's, another one, the one that is shown for users without a number, and none.
const NUMBERS: [&str; 4] = ["0", "1000", "65534", "none"];

#[test]
fn a_user_is_recognised_across_user_namespaces() {
    let names = Names::new("userns");
    for number in NUMBERS {
        let name = names.name(number);
        let Some(mut inner) = inside(number) else {
            return;
        };
        let mut outer = peer!();
        for there_first in [false, true] {
            let (one, two) = if there_first {
                (&mut inner, &mut outer)
            } else {
                (&mut outer, &mut inner)
            };
            one.ok(&format!("open s create {name} frame=3"));
            for how in ["attach", "read", "join"] {
                two.ok(&format!("open {how} {how} {name}"));
                assert_eq!(two.ok(&format!("load {how}")), "3");
            }
            two.ok("store attach 4");
            assert_eq!(one.ok("load s"), "4");
            let text = two.refused(&format!("open n create {name}"), "AlreadyExists");
            assert!(text.contains("live"), "{text}");
            assert!(two.ok(&format!("list {name}")).starts_with("Live "));
            one.ok("drop s");
            // The other one is an owner as well.
            assert_eq!(two.ok("current join"), "true");
            for how in ["join", "read", "attach"] {
                two.ok(&format!("drop {how}"));
            }
            assert!(!Names::exists(&name));
            one.ok(&format!("open s create {name}"));
            two.ok(&format!("remove {name}"));
            one.ok("drop s");
        }
    }
}

#[test]
fn orphaned_segments_of_another_user_namespace_are_replaced() {
    let names = Names::new("userns-killed");
    for number in NUMBERS {
        let name = names.name(number);
        for killed_inside in [false, true] {
            let Some(mut inner) = inside(number) else {
                return;
            };
            let mut outer = peer!();
            let (killed, next) = if killed_inside {
                (&mut inner, &mut outer)
            } else {
                (&mut outer, &mut inner)
            };
            killed.ok(&format!("open s create {name} frame=3"));
            killed.kill();
            next.ok(&format!("open s read {name}"));
            assert_eq!(next.ok("load s"), "3");
            next.ok("drop s");
            next.ok(&format!("open s create {name} frame=4"));
            assert_eq!(next.ok("load s"), "4");
            next.ok("drop s");
            assert!(!Names::exists(&name));
        }
    }
}

/// In a user namespace all unmapped users seem to have one number, which a process there may have too.
#[test]
fn an_unmapped_user_is_a_stranger_in_a_user_namespace() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("userns-stranger");
    let name = names.name("t");
    let mut owner = peer!();
    owner.ok(&format!("setuid {STRANGER}"));
    owner.ok(&format!("open s create {name} frame=3 mode=666"));
    // Neither owns the directory, as root would.
    let other_user = |number: &str| {
        let mut peer = peer!();
        peer.ok(&format!("setuid {}", STRANGER + 1));
        with_restriction(peer, &format!("user-namespace {number}"))
    };
    for number in NUMBERS {
        let Some(mut inner) = other_user(number) else {
            return;
        };
        for how in ["attach", "read", "join"] {
            let text = inner.refused(&format!("open s {how} {name}"), "WrongOwner");
            assert!(text.contains(&format!("user {NOBODY}")), "{number}: {text}");
        }
        let text = inner.refused(&format!("open s create {name}"), "AlreadyExists");
        assert!(text.contains(&format!("user {NOBODY}")), "{number}: {text}");
        // A process that trusts all of them can be admitted.
        inner.ok(&format!("open s attach {name} owner=any"));
        assert_eq!(inner.ok("load s"), "3");
        inner.ok("drop s");
        let trust = format!("owner={NOBODY}");
        inner.ok(&format!("open s attach {name} {trust}"));
        inner.ok("drop s");
        // They cannot remove the name.
        inner.refused(&format!("remove {name}"), "PermissionDenied");
        assert_eq!(owner.ok("current s"), "true");
    }
    // Only its owner can replace an orphaned segment.
    owner.kill();
    for number in NUMBERS {
        let Some(mut inner) = other_user(number) else {
            return;
        };
        let text = inner.refused(&format!("open s create {name}"), "AlreadyExists");
        assert!(text.contains(&format!("user {NOBODY}")), "{number}: {text}");
    }
    peer!().ok(&format!("remove {name}"));
}

/// The other way round: the creator has no number outside, or another one.
#[test]
fn a_namespace_user_keeps_its_outer_identity_outside() {
    if !is_root("becoming another user") {
        return;
    }
    let names = Names::new("userns-outside");
    let name = names.name("t");
    let mut inner = peer!();
    inner.ok(&format!("setuid {STRANGER}"));
    let Some(mut inner) = with_restriction(inner, "user-namespace 0") else {
        return;
    };
    inner.ok(&format!("open s create {name} frame=3 mode=666"));
    let mut outer = peer!();
    for how in ["attach", "read", "join"] {
        // It is root inside, which means nothing to root outside.
        let text = outer.refused(&format!("open s {how} {name}"), "WrongOwner");
        assert!(text.contains(&format!("user {STRANGER}")), "{text}");
    }
    outer.ok(&format!("open s attach {name} owner={STRANGER}"));
    assert_eq!(outer.ok("load s"), "3");
}

fn attached(peer: Option<Peer>, name: &str) -> Option<Peer> {
    let mut peer = peer?;
    peer.ok(&format!("claims attach {name}"));
    Some(peer)
}

#[test]
fn locks_are_taken_over_across_namespaces() {
    let names = Names::new("userns-lock");
    for made_inside in [false, true] {
        let name = names.name(if made_inside { "inside" } else { "outside" });
        let mut maker = if made_inside {
            let Some(peer) = inside("0") else { return };
            peer
        } else {
            peer!()
        };
        maker.ok(&format!("claims create {name}"));
        let all = || {
            [Some(peer!()), inside("0"), inside("1000"), apart(), apart()]
                .map(|peer| attached(peer, &name))
        };
        let killed = all();
        let mut waiting = all();
        for mut killed in killed.into_iter().flatten() {
            for other in waiting.iter_mut().flatten() {
                // A living process is never taken for dead.
                assert_eq!(lock(&mut killed, "60000"), "held");
                other.tell("claims lock try");
                assert!(other.hear().starts_with("ok would-block "));
                killed.ok("claims unlock");
                assert_eq!(lock(other, "60000"), "held");
                other.ok("claims unlock");
            }
            assert_eq!(lock(&mut killed, "60000"), "held");
            for other in waiting.iter_mut().flatten() {
                other.tell("claims lock 60000");
            }
            killed.kill();
            // Each in turn, in either order.
            let mut left: Vec<&mut Peer> = waiting.iter_mut().flatten().collect();
            let (mut died, start) = (0, Instant::now());
            while !left.is_empty() {
                assert!(start.elapsed() < DEADLINE, "{} never return", left.len());
                let Some(at) = left.iter_mut().position(|peer| {
                    peer.heard().is_some_and(|answer| {
                        died += u32::from(answer.starts_with("ok died "));
                        answer.starts_with("ok died ") || answer.starts_with("ok held ")
                    })
                }) else {
                    std::thread::yield_now();
                    continue;
                };
                let peer = left.swap_remove(at);
                peer.ok("claims consistent");
                peer.ok("claims unlock");
            }
            assert_eq!(died, 1);
        }
        maker.ok(&format!("remove {name}"));
    }
}
