//! Builds without optimisation.

use std::cell::RefCell;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::RwLock;

use shm_core::sync::{Ring, SeqLock};
use shm_core::{ShmLayout, ShmVec};

use crate::harness::{Bench, Measure, Result, Row, Settings, calls, measured};
use crate::process::{Other, listen, say};

pub(super) const ROW: Row = Row::new(
    "debug",
    "operations compiled without optimisation, as in a user's debug build, beside the standard library's and rtrb",
    run,
)
.helper(helper);

/// What is compared: the case, its contenders, and the target of the first.
const CASES: [(&str, [&str; 2]); 5] = [
    ("32 bytes out", ["load", "a copy"]),
    ("32 bytes in", ["store", "a copy in"]),
    ("push and pop of 32 bytes", ["ShmVec", "Vec"]),
    ("write 32 bytes", ["SeqLock::store", "std RwLock"]),
    ("32 bytes in and out", ["Ring", "rtrb"]),
];
const TARGET: f64 = 6.0;

/// Builds this program without optimisation and without the heavy peers.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let own = std::env::current_exe()?;
    let target = own
        .ancestors()
        .nth(2)
        .ok_or("the program is in no target folder")?;
    let target = target.join("shm-benches-debug");
    let status = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--bin",
            "shm-benches",
            "--manifest-path",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()?;
    match status.success() {
        true => Ok(target.join("debug/shm-benches")),
        false => Err("the debug build failed".into()),
    }
}

fn run(bench: &mut Bench) -> Result<()> {
    let program = match cfg!(debug_assertions) {
        true => std::env::current_exe()?,
        false => build()?,
    };
    let short = if bench.settings.short {
        "short"
    } else {
        "full"
    };
    let other = Other::start_program(&program, bench.row(), &[short], None)?;
    let other = RefCell::new(other);
    let ask = |what: &'static str| -> Measure<'_> {
        let other = &other;
        measured(move |_| other.borrow_mut().ask(what))
    };
    for (case, [ours, limit]) in CASES {
        bench
            .case(case)
            .limit(limit, ask(limit))
            .ours(ours, ask(ours))
            .target(TARGET)
            .run()?;
    }
    Ok(())
}

/// The debug build: makes a turn of the contender whose name it reads.
fn helper(words: &[&str]) -> Result<()> {
    let settings = Settings {
        short: words == ["short"],
        rounds: None,
    };
    type Value = [u64; 4];
    let value = black_box([7; 4]);
    let cells = Value::create_anonymous()?;
    let vector = ShmVec::<Value, 64>::create_anonymous()?;
    let lock = SeqLock::<Value>::create_anonymous()?;
    let ring = Ring::<Value, 64>::create_anonymous()?;
    let (mut sender, mut receiver) = (ring.sender()?, ring.receiver()?);
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Value>::new(64);
    let (source, mut target, mut plain) = (value, value, Vec::with_capacity(64));
    let standard = RwLock::new(value);
    let mut all: Vec<(&str, Measure<'_>)> = vec![
        ("load", calls(|| _ = black_box(black_box(&cells).load()))),
        ("a copy", calls(|| _ = black_box(*black_box(&source)))),
        ("store", calls(|| black_box(&cells).store(value))),
        ("a copy in", calls(|| *black_box(&mut target) = value)),
        (
            "ShmVec",
            calls(|| {
                _ = black_box(vector.push(value));
                _ = black_box(vector.pop());
            }),
        ),
        (
            "Vec",
            calls(|| {
                black_box(&mut plain).push(value);
                _ = black_box(plain.pop());
            }),
        ),
        ("SeqLock::store", calls(|| _ = black_box(lock.store(value)))),
        (
            "std RwLock",
            calls(|| {
                if let Ok(mut locked) = black_box(&standard).write() {
                    *locked = value;
                }
            }),
        ),
        (
            "Ring",
            calls(|| {
                _ = black_box(sender.try_send(value));
                _ = black_box(receiver.try_recv());
            }),
        ),
        (
            "rtrb",
            calls(|| {
                _ = black_box(producer.push(value));
                _ = black_box(consumer.pop());
            }),
        ),
    ];
    loop {
        let line = listen()?;
        let Some((_, measure)) = all.iter_mut().find(|(name, _)| *name == line) else {
            return Ok(());
        };
        say(&measure(&settings)?.values[0].to_string())?;
    }
}
