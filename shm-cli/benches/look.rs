//! What looking costs: the command itself, and those that are looked at.
//!
//! `cargo bench -p shm-cli` prints a line for each row. Each is the median of ratios, of rounds in which both sides ran one after the
//! other. `cargo bench -p shm-cli -- ROW` runs the rows whose name contains the word.

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use shm_core::sync::{Mutex, Ring, SeqLock};
use shm_core::{Shm, ShmLayout};
use shm_tests::Names;

const ROUNDS: usize = 31;
/// Segments of the rows about `ls`.
const SEGMENTS: usize = 10_000;
/// The argument with which this program is the process that uses these segments.
const HOLD: &str = "hold";

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(HOLD) {
        return hold(&arguments.next().expect("the beginning of the names"));
    }
    // Cargo adds options of its own.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let rows: [(&str, fn()); 6] = [
        ("ls", ls),
        ("show", show),
        ("beside-seqlock", beside_seqlock),
        ("beside-mutex", beside_mutex),
        ("beside-ring", beside_ring),
        ("beside-cell", beside_cell),
    ];
    for (name, row) in rows {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            row();
        }
    }
}

fn shm(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shm"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How long the command takes, from its start to its end.
fn run(arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let status = shm(arguments).stdout(Stdio::null()).status();
    let time = start.elapsed();
    assert!(status.expect("the command starts").success());
    time
}

/// Runs both sides alternately, and prints the medians, and the median of their ratios.
fn compare(name: &str, mut new: impl FnMut() -> Duration, mut base: impl FnMut() -> Duration) {
    let (mut news, mut bases, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    new();
    base();
    for round in 0..ROUNDS {
        let (a, b) = if round % 2 == 0 {
            let a = new();
            (a, base())
        } else {
            let b = base();
            (new(), b)
        };
        news.push(a);
        bases.push(b);
        ratios.push(a.as_secs_f64() / b.as_secs_f64());
    }
    news.sort();
    bases.sort();
    ratios.sort_by(f64::total_cmp);
    let middle = ROUNDS / 2;
    println!(
        "{name:<50} {:>9.3} ms / {:>9.3} ms = {:.3}  [{:.3} .. {:.3}]",
        1e3 * news[middle].as_secs_f64(),
        1e3 * bases[middle].as_secs_f64(),
        ratios[middle],
        ratios[ROUNDS / 4],
        ratios[3 * ROUNDS / 4],
    );
}

fn list() -> Duration {
    let start = Instant::now();
    let count = shm_core::list().expect("segments are listed").count();
    assert!(count >= SEGMENTS);
    start.elapsed()
}

fn ls() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("limits can be read");
    let names = Names::new("bench-ls");
    let name = |number: usize| names.name(&format!("{number:05}"));
    {
        let persistent = |number| {
            let shm = Mutex::<u64>::create(&name(number)).expect("a segment");
            shm.persist().expect("it is created");
        };
        (0..SEGMENTS).for_each(persistent);
        compare(
            "ls of 10,000 persistent segments / list()",
            || run(&["ls"]),
            list,
        );
        compare(
            "ls --json of them / list()",
            || run(&["ls", "--json"]),
            list,
        );
        for number in 0..SEGMENTS {
            std::fs::remove_file(Names::path(&name(number))).expect("it is there");
        }
    }
    if most < SEGMENTS as u64 + 100 {
        println!("ls of 10,000 live segments: needs as many descriptors");
        return;
    }
    // In another process: the kernel would copy the descriptors of this one, and close them, for each command.
    let mut user = Command::new(std::env::current_exe().expect("a path"));
    let user = user.args([HOLD, &names.name("")]);
    let user = user.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut user = user.spawn().expect("it starts");
    let out = user.stdout.take().expect("a pipe");
    let ready = BufReader::new(out).lines().next();
    ready.expect("a line").expect("it is ready");
    compare("ls of 10,000 live segments / list()", || run(&["ls"]), list);
    compare(
        "ls --json of them / list()",
        || run(&["ls", "--json"]),
        list,
    );
    // It ends at the end of its input.
    drop(user.stdin.take());
    assert!(user.wait().expect("it ends").success());
}

/// Creates the segments, and keeps them until standard input ends.
fn hold(names: &str) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("limits can be read");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("the limit can be raised");
    let create = |number| Mutex::create(&format!("{names}{number:05}")).expect("a segment");
    let live: Vec<Shm<Mutex<u64>>> = (0..SEGMENTS).map(create).collect();
    println!("ready");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("it can be read");
    drop(live);
}

#[derive(ShmLayout)]
#[repr(C)]
struct Small {
    first: u64,
    cells: [u64; 500],
    last: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Huge {
    first: u64,
    cells: [u64; 1 << 27],
    last: u64,
}

fn show() {
    let names = Names::new("bench-show");
    let [small, huge] = ["small", "huge"].map(|part| names.name(part));
    let _small = Small::create(&small).expect("a segment");
    let _huge = Huge::options()
        .sparse(true)
        .create(&huge)
        .expect("a segment");
    for path in ["last", "cells", "."] {
        let row = format!("show of `{path}` in 1 GiB / in 4 KiB");
        compare(
            &row,
            || run(&["show", &huge, path]),
            || run(&["show", &small, path]),
        );
    }
}

/// A command that looks every millisecond, until it is dropped.
struct Looking(Child);

impl Looking {
    fn start(name: &str) -> Self {
        let arguments = ["show", name, "--follow", "--interval", "1ms"];
        let mut child = shm(&arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // It is attached.
        lines.next();
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a number of calls takes, with a command that looks next to it and without.
fn beside(row: &str, name: &str, mut calls: impl FnMut()) {
    let mut timed = || {
        let start = Instant::now();
        for _ in 0..300_000 {
            calls();
        }
        start.elapsed()
    };
    // Alternately, so both closures share the calls.
    let timed = std::cell::RefCell::new(&mut timed);
    compare(
        row,
        || {
            let _looking = Looking::start(name);
            timed.borrow_mut()()
        },
        || timed.borrow_mut()(),
    );
}

fn beside_seqlock() {
    let names = Names::new("bench-seqlock");
    let name = names.name("x");
    let lock = SeqLock::<[u64; 8]>::create(&name).expect("a segment");
    beside("SeqLock::store, looked at / alone", &name, || {
        lock.store(black_box([1; 8])).expect("it is free");
    });
}

fn beside_mutex() {
    let names = Names::new("bench-mutex");
    let name = names.name("x");
    let lock = Mutex::<u64>::create(&name).expect("a segment");
    beside("Mutex::lock, looked at / alone", &name, || {
        lock.lock().expect("it is free").set(black_box(1));
    });
}

fn beside_ring() {
    let names = Names::new("bench-ring");
    let name = names.name("x");
    let ring = Ring::<u64, 64>::create(&name).expect("a segment");
    let mut sender = ring.sender().expect("it is free");
    let mut receiver = ring.receiver().expect("it is free");
    beside(
        "Ring::try_send and try_recv, looked at / alone",
        &name,
        || {
            sender.try_send(black_box(1)).expect("it has room");
            receiver.try_recv().expect("it has a message");
        },
    );
}

fn beside_cell() {
    let names = Names::new("bench-cell");
    let name = names.name("x");
    let cells = <[u64; 64]>::create(&name).expect("a segment");
    beside("64 cells set, looked at / alone", &name, || {
        for cell in cells.iter() {
            cell.set(black_box(1));
        }
    });
}
