//! A process is killed before and after each system call, and after some instructions, of an attach that announces levels. Only
//! complete records remain, and the next process of any branch attaches.
//!
//! Calls stand for instructions here: no instruction leaves the segment with bytes that it does not have at some call. A kill
//! after each instruction would step through the attach once for each of them.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use shm_tests::lock_bytes::{LEVELS, is_locked};
use shm_tests::versions::{How, Place, Version, open_version};
use shm_tests::{Names, Peer, peer, step, variant};

fn open(version: &str, how: How, name: &str) -> Box<dyn Version> {
    open_version(version, how, Place::Name(name), false)
        .unwrap_or_else(|error| panic!("{version}: {error}"))
}

/// Checks the segment that a killed process of version 4 leaves. Returns whether it had announced its levels.
fn check(old: &dyn Version, name: &str, number: usize) -> bool {
    let announced = match old.level().unwrap() {
        0 => false,
        4 => true,
        level => panic!("{level} levels"),
    };
    assert!(!is_locked(name, LEVELS).unwrap());
    // A branch follows, or the same version once more.
    let next = if number.is_multiple_of(2) { "y2" } else { "v4" };
    if next == "y2" && announced {
        let refused = open_version(next, How::Attach, Place::Name(name), false).map(drop);
        assert_eq!(variant(&refused.unwrap_err()), "LayoutMismatch");
    } else {
        let handle = open(next, How::Attach, name);
        for field in ["a", "b", "c", "d", "e", "f", "z"] {
            assert!(handle.get(field).is_none_or(|value| value == 0), "{field}");
        }
        assert!(handle.set("z", 1) || handle.set("f", 1));
    }
    announced
}

#[test]
fn kill_in_an_announcing_attach_leaves_complete_records() {
    let names = Names::new("step-levels");
    let name = names.name("t");
    let command = format!("between version try v4 attach {name}");
    let (mut with, mut without, mut instruction, mut number) = (0, 0, 0, 0);
    loop {
        let old = open("v0", How::Create, &name);
        let killed = step::kill_at_instruction(peer!(), &command, instruction);
        number += 1;
        if check(&*old, &name, number) {
            with += 1;
        } else {
            without += 1;
        }
        if !killed {
            break;
        }
        instruction += step::stride(49_999);
    }
    println!("{instruction} instructions, {with} times announced, {without} times not");
    assert!(with > 0 && without > 0);
}

#[test]
fn kill_at_each_call_of_an_announcing_attach() {
    let names = Names::new("step-levels-calls");
    let name = names.name("t");
    let command = format!("between version try v4 attach {name}");
    let (mut with, mut without) = (0, 0);
    // Each of the two versions that may follow.
    for number in 0..2 {
        for stop in 1.. {
            let old = open("v0", How::Create, &name);
            let killed = step::kill_at_call(peer!(), &command, stop);
            if check(&*old, &name, number) {
                with += 1;
            } else {
                without += 1;
            }
            if !killed {
                break;
            }
        }
    }
    println!("{with} times announced, {without} times not");
    assert!(with > 8 && without > 20, "{with} {without}");
}

/// The contents that the segment has while a process of version 4 attaches, one after the other, as the bytes that differ from
/// those before. `run` runs the peer's command, and calls back whenever the contents may have changed.
fn contents(
    names: &Names,
    run: impl FnOnce(&mut Peer, &str, &mut dyn FnMut()) -> usize,
) -> (Vec<Vec<(usize, u8)>>, usize) {
    let name = names.name("t");
    let _old = open("v0", How::Create, &name);
    let file = File::open(Names::path(&name)).unwrap();
    let before = fs::read(Names::path(&name)).unwrap();
    let (mut last, mut now) = (before.clone(), before.clone());
    let mut all = vec![Vec::new()];
    let mut peer = peer!();
    let command = format!("between version try v4 attach {name}");
    let stops = run(&mut peer, &command, &mut || {
        file.read_exact_at(&mut now, 0).unwrap();
        if now != last {
            let pairs = now.iter().zip(&before).enumerate();
            let changed = pairs.filter(|(_, (now, before))| now != before);
            all.push(changed.map(|(at, (now, _))| (at, *now)).collect());
            last.clone_from(&now);
        }
    });
    assert!(peer.hear().starts_with("ok"));
    (all, stops)
}

/// So a process that is killed at any instruction leaves what it leaves if it is killed at a call, which the test above does at
/// each of them.
#[test]
fn each_instruction_of_an_announcer_leaves_what_a_call_leaves() {
    let names = Names::new("step-levels-contents");
    let (at_calls, _) = contents(&names, |peer, command, each| {
        step::at_each_call(peer, command, each)
    });
    let (at_instructions, instructions) = contents(&names, |peer, command, each| {
        step::at_each_instruction(peer, command, usize::MAX, each)
    });
    assert_eq!(at_instructions, at_calls);
    println!("{instructions} instructions");
    // As before, with a participant more, with the records, and with their count.
    assert_eq!(at_calls.len(), 4, "{at_calls:?}");
}

/// What a process leaves that is killed between two calls does not grow into the fields of the next one.
#[test]
fn the_bytes_after_each_call_are_those_of_complete_records() {
    let names = Names::new("step-levels-bytes");
    let name = names.name("t");
    let old = open("v0", How::Create, &name);
    let before = fs::read(Names::path(&name)).unwrap();
    let mut peer = peer!();
    let mut counts = vec![0];
    let stops = step::at_each_call(
        &mut peer,
        &format!("between version try v2 attach {name}"),
        || {
            let bytes = fs::read(Names::path(&name)).unwrap();
            let count = u32::from_ne_bytes(bytes[208..212].try_into().unwrap());
            if counts.last() != Some(&count) {
                counts.push(count);
            }
            // Whatever is counted can be read, and is what it will be.
            open("v2", How::Read, &name);
            // All but the count and the records is as before.
            assert_eq!(bytes[..208], before[..208]);
            assert_eq!(bytes[212..3500], before[212..3500]);
        },
    );
    assert!(peer.hear().starts_with("ok"));
    assert_eq!(counts, [0, 2], "{stops} stops");
    assert_eq!(old.level().unwrap(), 2);
}
