//! What is wrong in segments.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use shm_core::dynamic::{DynSegment, Problem};
use shm_core::sync::{Broadcast, Mutex, Ring, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmStr, ShmVec};
use shm_tests::Names;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u16)]
enum Mode {
    Off = 0,
    On = 500,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Step {
    mode: Mode,
    plain: u16,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Plan {
    steps: [Step; 4],
    numbers: [u64; 100],
    letter: char,
    name: ShmStr<4>,
    modes: ShmVec<Mode, 3>,
    next: ShmOffset<u64>,
    current: SeqLock<Step, 3>,
    lock: Mutex<[Step; 2]>,
    jobs: Ring<Step, 4>,
    ticks: Broadcast<Mode, 2>,
    tail: [char],
}

/// Writes to the file of a segment, as a peer could, at the offset of a path in its table.
fn forge(name: &str, at: usize, bytes: &[u8]) {
    let file = File::options().write(true).open(Names::path(name)).unwrap();
    let header = fs::read(Names::path(name)).unwrap();
    let payload = u64::from_ne_bytes(header[40..48].try_into().unwrap());
    file.write_all_at(bytes, payload + at as u64).unwrap();
}

fn offset(field: &str) -> usize {
    let fields = Plan::LAYOUT.fields();
    fields
        .iter()
        .find(|of| of.name() == field)
        .unwrap()
        .offset()
}

fn word(field: &str, word: &str) -> usize {
    let fields = shm_core::dynamic::DynSchema::of_layout(Plan::LAYOUT)
        .unwrap()
        .fields();
    let start = fields
        .iter()
        .position(|row| row.depth == 0 && row.name == field)
        .unwrap();
    let row = fields[start..]
        .iter()
        .find(|row| row.depth == 1 && row.name == word);
    row.unwrap().offset
}

fn problems(name: &str) -> Vec<(String, bool, String)> {
    let found = DynSegment::attach_read_only(name)
        .unwrap()
        .problems()
        .unwrap();
    let copy = std::env::temp_dir().join(&name[1..]);
    fs::copy(Names::path(name), &copy).unwrap();
    let of_dump = DynSegment::open(&copy).unwrap().problems().unwrap();
    fs::remove_file(copy).unwrap();
    let damage = |all: &[Problem]| -> Vec<Problem> {
        all.iter()
            .filter(|problem| problem.is_damage)
            .cloned()
            .collect()
    };
    // In a dump no process holds anything.
    assert_eq!(damage(&found), damage(&of_dump));
    let parts = |problem: Problem| (problem.path, problem.is_damage, problem.reason);
    found.into_iter().map(parts).collect()
}

#[test]
fn every_kind_of_damage_is_found_where_it_is() {
    let names = Names::new("dyn-problems");
    let name = names.name("plan");
    let shm = Plan::create_with_len(&name, 3).unwrap();
    assert_eq!(problems(&name), []);
    let mut sender = shm.jobs.sender().unwrap();
    sender
        .send(Step {
            mode: Mode::On,
            plain: 1,
        })
        .unwrap();
    let mut ticks = shm.ticks.sender().unwrap();
    ticks.send(Mode::On).unwrap();
    let step = |index: usize| offset("steps") + index * size_of::<Step>();
    forge(&name, step(2), &7_u16.to_ne_bytes());
    forge(&name, offset("letter"), &0xd800_u32.to_ne_bytes());
    forge(&name, offset("name"), &[0xff]);
    forge(&name, offset("modes"), &9_u64.to_ne_bytes());
    forge(&name, offset("next"), &(1_u64 << 40).to_ne_bytes());
    forge(&name, word("current", "slots"), &8_u16.to_ne_bytes());
    forge(
        &name,
        word("lock", "value") + size_of::<Step>(),
        &9_u16.to_ne_bytes(),
    );
    forge(&name, word("jobs", "slots"), &10_u16.to_ne_bytes());
    forge(&name, word("ticks", "slots"), &11_u16.to_ne_bytes());
    forge(&name, offset("tail") + 4, &u32::MAX.to_ne_bytes());
    let paths: Vec<(String, bool)> = problems(&name)
        .into_iter()
        .map(|(path, is_damage, reason)| {
            assert!(!reason.is_empty());
            (path, is_damage)
        })
        .collect();
    let expected = [
        "steps[2].mode",
        "letter",
        "name",
        "modes",
        "next",
        "current",
        "lock[1].mode",
        "jobs[#0]",
        "ticks[#0]",
        "tail[1]",
    ];
    assert_eq!(paths, expected.map(|path| (path.to_owned(), true)));
    for path in expected {
        DynSegment::attach_read_only(&name)
            .unwrap()
            .at(path)
            .unwrap();
    }
    forge(&name, word("jobs", "tail"), &100_u64.to_ne_bytes());
    forge(&name, word("ticks", "reserved"), &7_u64.to_ne_bytes());
    let texts: Vec<String> = problems(&name)
        .into_iter()
        .filter(|(path, ..)| path == "jobs" || path == "ticks")
        .map(|(_, _, reason)| reason)
        .collect();
    assert_eq!(
        texts,
        [
            "has 100 messages sent, 0 received, and room for 4",
            "has 7 messages begun and 1 sent, of which one at most is being sent",
        ]
    );
}

#[test]
fn dead_owners_are_found_and_are_no_damage() {
    let names = Names::new("dyn-dead");
    let name = names.name("plan");
    let shm = Plan::create_with_len(&name, 0).unwrap();
    {
        let guard = shm.lock.lock().unwrap();
        assert_eq!(problems(&name), []);
        drop(guard);
    }
    // Ids of participants that do not live.
    for (field, claim) in [
        ("lock", "claim"),
        ("current", "claim"),
        ("jobs", "receiver"),
    ] {
        forge(&name, word(field, claim), &77_u32.to_ne_bytes());
    }
    let found = problems(&name);
    let paths: Vec<&str> = found.iter().map(|(path, ..)| &**path).collect();
    assert_eq!(paths, ["current", "lock", "jobs"]);
    for (path, is_damage, reason) in &found {
        assert!(
            !is_damage && reason.contains("died, a process (dead)"),
            "{path}: {reason}"
        );
    }
    forge(&name, word("lock", "claim"), &(1_u32 << 30).to_ne_bytes());
    assert!(problems(&name)[1].2.contains("half changed"));
}

#[test]
fn a_thousand_problems_are_enough() {
    let names = Names::new("dyn-many");
    let name = names.name("letters");
    let shm = <[char; 5000]>::create(&name).unwrap();
    assert_eq!(problems(&name), []);
    forge(&name, 0, &[0xff; 4 * 5000]);
    let found = problems(&name);
    assert_eq!((found.len(), &*found[999].0), (1000, "[999]"));
    drop(shm);
}
