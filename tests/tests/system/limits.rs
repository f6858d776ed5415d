//! Processes that run out of a resource get an error, and continue.
//!
//! `SHM_ROUNDS` is how often a segment is created and dropped, 2,000 times by default.

#![forbid(unsafe_code)]

use shm_core::ShmLayout;
use shm_tests::{Names, Peer, Telemetry, count_from_env, peer, with_restriction};

/// Checks that it can do everything again.
#[track_caller]
fn goes_on(peer: &mut Peer, name: &str) {
    peer.ok(&format!("open on create {name} frame=5"));
    peer.ok(&format!("open to read {name}"));
    peer.ok("open anonymous anonymous -");
    assert_eq!(peer.ok("load to"), "5");
    for slot in ["on", "to", "anonymous"] {
        peer.ok(&format!("drop {slot}"));
    }
    assert!(!Names::exists(name));
    assert_eq!(peer.ok("fds"), "");
}

#[test]
fn without_descriptors_all_calls_fail_and_recover() {
    let names = Names::new("files");
    let (name, taken) = (names.name("t"), names.name("taken"));
    let mut owner = peer!();
    owner.ok(&format!("open s create {taken}"));
    for old in [false, true] {
        let mut peer = peer!();
        if old {
            peer.ok("no-unnamed-files");
        }
        // From none to enough: with each number another call fails.
        let mut refused = 0;
        for files in 3..12 {
            peer.ok(&format!("limit files {files}"));
            for command in [
                format!("open s create {name}"),
                format!("open s join {name}"),
                format!("open s attach {taken}"),
                "open s anonymous -".to_owned(),
            ] {
                let answer = peer.ask(&command);
                if answer == "ok " {
                    // Dropping and removing need no more than creating did, or return an error.
                    peer.ok("drop s");
                } else {
                    assert!(answer.starts_with("err Os "), "{answer}");
                    assert!(answer.contains("ulimit -n"), "{answer}");
                    refused += 1;
                }
                assert!(!Names::exists(&name), "{command} with {files}");
            }
        }
        assert!(refused >= 4, "{refused}");
        peer.ok("limit files 3");
        let text = peer.refused(&format!("remove {taken}"), "Os");
        assert!(text.contains("ulimit -n"), "{text}");
        assert!(Names::exists(&taken));
        peer.ok("limit files 64");
        goes_on(&mut peer, &name);
    }
}

#[test]
fn without_address_space_all_calls_fail_and_recover() {
    let names = Names::new("space");
    let name = names.name("t");
    let (mut owner, mut peer) = (peer!(), peer!());
    // 1 GiB that takes no memory.
    owner.ok(&format!(
        "open s create {name} samples=268435456 sparse=yes"
    ));
    peer.ok("limit space 268435456");
    let text = peer.refused(&format!("open s attach {name} samples=0"), "Os");
    assert!(text.contains("mmap: Cannot allocate memory"), "{text}");
    assert!(text.contains("ulimit -v"), "{text}");
    let text = peer.refused(
        &format!(
            "open s create {} samples=268435456 sparse=yes",
            names.name("o")
        ),
        "Os",
    );
    assert!(text.contains("mmap"), "{text}");
    assert!(!Names::exists(&names.name("o")));
    goes_on(&mut peer, &names.name("t2"));
}

#[test]
fn a_limit_on_locked_memory_is_an_error_without_trace() {
    let names = Names::new("locked");
    let name = names.name("t");
    let mut peer = peer!();
    if nix::unistd::geteuid().is_root() {
        // The limit does not apply to root.
        peer.ok("setuid 54321");
    }
    for (limit, reason) in [
        (0, "Operation not permitted"),
        (4095, "Cannot allocate memory"),
    ] {
        peer.ok(&format!("limit locked {limit}"));
        for command in [
            format!("open s create {name} locked=yes"),
            format!("open s join {name} locked=yes"),
            "open s anonymous - locked=yes".to_owned(),
        ] {
            let text = peer.refused(&command, "Os");
            assert!(text.contains(&format!("mlock: {reason}")), "{text}");
            assert!(!Names::exists(&name));
        }
        goes_on(&mut peer, &name);
    }
}

#[test]
fn a_limit_on_file_size_is_an_error_and_no_signal() {
    let names = Names::new("size");
    let name = names.name("t");
    let needed = Telemetry::PAGE_ROUNDED_SIZE as u64;
    for old in [false, true] {
        let mut peer = peer!();
        if old {
            peer.ok("no-unnamed-files");
        }
        peer.ok(&format!("limit size {}", needed - 1));
        for command in [
            format!("open s create {name}"),
            format!("open s join {name}"),
            "open s anonymous -".to_owned(),
            format!("open s create {name} samples=10 sparse=yes"),
        ] {
            let text = peer.refused(&command, "Os");
            assert!(text.contains("File too large"), "{text}");
            assert!(text.contains("ulimit -f"), "{text}");
            assert!(!Names::exists(&name));
        }
        peer.ok(&format!("limit size {needed}"));
        goes_on(&mut peer, &name);
    }
}

#[test]
fn a_file_system_without_inodes_is_a_clear_error() {
    // One is that of the directory.
    let Some(mut peer) = with_restriction(peer!(), "own-shm nr_inodes=3") else {
        return;
    };
    for _ in 0..3 {
        peer.ok("open a create /a");
        peer.ok("open b create /b");
        for how in ["create", "join"] {
            let text = peer.refused(&format!("open c {how} /c"), "Os");
            assert!(text.contains("No space left on device"), "{text}");
            assert!(text.contains("df -i"), "{text}");
        }
        peer.ok("open r read /a");
        for slot in ["a", "b", "r"] {
            peer.ok(&format!("drop {slot}"));
        }
    }
    peer.ok("no-unnamed-files");
    peer.ok("open a create /a");
    peer.ok("open b create /b");
    let text = peer.refused("open c create /c", "Os");
    assert!(text.contains("df -i"), "{text}");
    peer.ok("drop a");
    peer.ok("open c create /c");
}

#[test]
fn constant_signals_interrupt_no_call() {
    let names = Names::new("signals");
    let name = names.name("t");
    for old in [false, true] {
        let mut peer = peer!();
        if old {
            peer.ok("no-unnamed-files");
        }
        peer.ok("claims timer");
        peer.ok(&format!("rounds {name} 100"));
        // Undisturbed, reserving 64 MiB takes many times this long.
        peer.ok(&format!("large {name}"));
        peer.ok(&format!("list {name}"));
        goes_on(&mut peer, &name);
    }
}

#[test]
fn reserving_ends_although_long_calls_are_interrupted() {
    let names = Names::new("interrupted");
    let name = names.name("t");
    for longest in [10_000_000, 100_000] {
        let mut peer = peer!();
        peer.ok(&format!("interrupt-reserving {longest}"));
        peer.ok(&format!("large {name}"));
        goes_on(&mut peer, &name);
    }
}

/// Descriptors, mappings and pages in use.
fn usage(peer: &mut Peer) -> [u64; 3] {
    let answer = peer.ok("usage");
    let numbers: Vec<u64> = answer
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    numbers.try_into().unwrap()
}

#[test]
fn segments_that_come_and_go_leak_nothing() {
    let rounds = count_from_env("SHM_ROUNDS", 2000);
    let names = Names::new("rounds");
    let mut current = peer!();
    let mut old = peer!();
    old.ok("no-unnamed-files");
    for (peer, part) in [(&mut current, "new"), (&mut old, "old")] {
        let name = names.name(part);
        // What a process needs once in its life.
        peer.ok(&format!("rounds {name} 200"));
        let before = usage(peer);
        peer.ok(&format!("rounds {name} {rounds}"));
        let after = usage(peer);
        println!("{part}: {before:?} before and {after:?} after {rounds} rounds");
        assert_eq!(after[..2], before[..2]);
        // Pages of 4096 bytes, with room for an allocator's reserves.
        assert!(after[2] <= before[2] + 64, "{before:?} {after:?}");
        assert_eq!(peer.ok("fds"), "");
    }
    assert_eq!(names.remaining(), Vec::<std::path::PathBuf>::new());
}
