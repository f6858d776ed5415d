//! Rates and jitter.

use std::fs;

use nix::sys::signal::Signal;
use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, Event, Ring, SeqLock};
use shm_tests::Names;

use crate::common::{Running, shm};

#[derive(ShmLayout)]
#[shm(padding)]
#[repr(C)]
struct Busy {
    pose: SeqLock<[u64; 4]>,
    jobs: Ring<u64, 64>,
    ticks: Broadcast<u64, 64>,
    done: Event,
    plain: u64,
}

#[test]
fn no_event_is_missed() {
    const EVENTS: u64 = 1000;

    let names = Names::new("hz-exact");
    let name = names.name("t");
    let shm = Busy::create(&name).unwrap();
    let mut jobs = shm.jobs.sender().unwrap();
    let mut received = shm.jobs.receiver().unwrap();
    let mut ticks = shm.ticks.sender().unwrap();
    for (path, noun) in [
        ("pose", "commits"),
        ("jobs", "messages"),
        ("ticks", "messages"),
        ("done", "notifications"),
    ] {
        let count = EVENTS.to_string();
        let running = Running::start(["hz", &name, path, "--count", &count]);
        let head = running.line().unwrap();
        assert!(
            head.starts_with(&format!("{name} {path}: {noun}")),
            "{head}"
        );
        for number in 0..EVENTS {
            match path {
                "pose" => {
                    shm.pose.store([number; 4]).unwrap();
                }
                "jobs" => {
                    jobs.send(number).unwrap();
                    assert_eq!(received.recv().unwrap(), number);
                }
                "ticks" => ticks.send(number).unwrap(),
                _ => shm.done.notify_all(),
            }
        }
        // It would wait for the last event if it missed one.
        let ran = running.end().code(0);
        let summary = format!("--- {name} {path} ---\n{EVENTS} {noun} in ");
        assert!(ran.out.contains(&summary), "{ran:#?}");
        let exact = format!("The number of {noun} is exact.");
        assert!(ran.out.contains(&exact), "{ran:#?}");
    }
}

#[test]
fn changes_of_a_plain_value_are_events() {
    let names = Names::new("hz-plain");
    let name = names.name("t");
    let shm = Busy::create(&name).unwrap();
    let running = Running::start(["hz", &name, "plain", "-n", "2", "-i", "20ms"]);
    let head = running.line().unwrap();
    assert!(head.contains("plain: changes"), "{head}");
    shm.plain.set(1);
    // The line that reports the first change: the heads of the columns come first.
    while running.line().unwrap().trim_start().starts_with(['0', 'r']) {}
    shm.plain.set(2);
    let ran = running.end().code(0);
    assert!(ran.out.contains("\n2 changes in "), "{ran:#?}");
    assert!(
        ran.out.contains("between two samples was missed"),
        "{ran:#?}"
    );
}

#[test]
fn ctrl_c_ends_with_a_summary() {
    let names = Names::new("hz-signal");
    let name = names.name("t");
    let shm = Busy::create(&name).unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let running = Running::start(["hz", &name, "ticks"]);
        running.line().unwrap();
        running.signal(signal);
        let ran = running.end().code(0);
        assert!(ran.out.contains("\n0 messages in "), "{ran:#?}");
    }
    drop(shm);
}

#[test]
fn json_is_a_document_a_line_and_one_at_the_end() {
    let names = Names::new("hz-json");
    let name = names.name("t");
    let shm = Busy::create(&name).unwrap();
    let running = Running::start(["hz", &name, "jobs", "-i", "10ms", "--json"]);
    let first = running.line().unwrap();
    running.signal(Signal::SIGINT);
    let ran = format!("{first}\n{}", running.end().code(0).out);
    let documents: Vec<serde_json::Value> = ran
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for document in &documents {
        for name in ["seconds", "rate", "resolution", "longest_sample"] {
            let number = document[name].as_f64().unwrap();
            assert_eq!(number, (number * 1e9).round() / 1e9, "{document}");
        }
    }
    let (last, lines) = documents.split_last().unwrap();
    assert!(!lines.is_empty());
    for line in lines {
        assert_eq!(line["schema"], "shm.hz", "{line}");
        assert_eq!(line["final"], false, "{line}");
        assert_eq!(line["capacity"], 64, "{line}");
    }
    assert_eq!(last["final"], true);
    assert_eq!(last["events"], "messages");
    assert_eq!(last["is_exact"], true);
    assert_eq!(last["gaps"], serde_json::Value::Null);
    drop(shm);
}

fn shm_of<const N: usize>(arguments: [&str; N]) -> String {
    shm(arguments).code(0).out
}

#[test]
fn a_removed_segment_ends_the_measurement() {
    let names = Names::new("hz-removed");
    let name = names.name("t");
    let shm = Busy::create(&name).unwrap();
    let running = Running::start(["hz", &name, "ticks", "-i", "10ms"]);
    running.line().unwrap();
    drop(shm);
    let ran = running.end().code(0);
    assert!(ran.err.contains("the segment was removed"), "{ran:#?}");
    assert!(ran.out.contains("0 messages in"), "{ran:#?}");
}

#[test]
fn a_segment_that_takes_the_name_is_measured_next() {
    let names = Names::new("hz-superseded");
    let name = names.name("t");
    let old = Busy::create(&name).unwrap();
    let running = Running::start(["hz", &name, "plain", "-i", "10ms", "-n", "1"]);
    running.line().unwrap();
    // The name never leads nowhere: the file takes it over at once.
    let file = Names::path(&name);
    let other = names.name("other");
    let new = Busy::create(&other).unwrap();
    fs::rename(Names::path(&other), &file).unwrap();
    // Until it has noticed, a change is in the other segment.
    let mut value = 0;
    let ran = std::thread::scope(|scope| {
        let ended = scope.spawn(|| running.end().code(0));
        while !ended.is_finished() {
            value += 1;
            new.plain.set(value);
            std::thread::yield_now();
        }
        ended.join().unwrap()
    });
    assert!(
        ran.err.contains("another segment has the name now"),
        "{ran:#?}"
    );
    assert!(ran.out.contains("\n1 change in "), "{ran:#?}");
    fs::remove_file(&file).unwrap();
    drop((old, new));
}

#[test]
fn read_permission_suffices_and_nothing_is_written() {
    let names = Names::new("hz-read-only");
    let name = names.name("t");
    let shm = Busy::options().mode(0o400).create(&name).unwrap();
    let before = fs::read(Names::path(&name)).unwrap();
    for path in ["pose", "jobs", "ticks", "done", "plain"] {
        shm_of(["hz", &name, path, "-d", "10ms"]);
    }
    let after = fs::read(Names::path(&name)).unwrap();
    assert!(before == after);
    drop(shm);
}

#[test]
fn errors_say_what_to_do() {
    let names = Names::new("hz-errors");
    let name = names.name("t");
    let missing = shm(["hz", &name, "x"]).code(3).err;
    assert!(missing.contains(&name), "{missing}");
    let shm_ = Busy::create(&name).unwrap();
    let missing = shm(["hz", &name, "tick"]).code(3).err;
    assert!(missing.contains("did you mean `ticks`?"), "{missing}");
    let file = shm(["hz", "./copy", "x"]).code(2).err;
    assert!(file.contains("`shm ls`"), "{file}");
    let interval = shm(["hz", &name, "ticks", "-i", "soon"]).code(2).err;
    assert!(interval.contains("`200ms`"), "{interval}");
    drop(shm_);
}
