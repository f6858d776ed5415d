//! How soon readers see a message: writable handles, read-only ones that poll, and read-only ones that are woken unasked
//! (`wake_readers`). And what being woken unasked costs the process that writes.
//!
//! `cargo run --release -p shm-benches --bin readers -- [ROUNDS]` prints the tables of shm-core/docs/performance.md. Each round
//! runs all ways one after the other, and a row is over all rounds.

use std::env::args;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use shm_benches::{compare, exit_code, heading, row};
use shm_core::sync::{Broadcast, Event, SeqLock};
use shm_core::{Access, Shm, ShmLayout};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A timeout that never expires here.
const LONG: Duration = Duration::from_secs(60);

/// What is published: the time of the message, which all processes read from the same clock.
#[derive(ShmLayout)]
#[repr(C)]
struct Feed {
    queue: Broadcast<u64, 64>,
    value: SeqLock<u64>,
}

/// How a reader is woken.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    writable: bool,
    unasked: bool,
}

const WAYS: [Way; 3] = [
    Way {
        name: "writable handle",
        writable: true,
        unasked: false,
    },
    Way {
        name: "read-only, polls",
        writable: false,
        unasked: false,
    },
    Way {
        name: "read-only, woken unasked",
        writable: false,
        unasked: true,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    exit_code(match words.as_slice() {
        ["read", kind, writable, name, count] => read(kind, *writable == "true", name, count),
        [] => measure(20),
        [rounds] => rounds
            .parse()
            .map_err(Into::into)
            .and_then(|rounds: usize| measure(rounds)),
        _ => Err("usage: readers [ROUNDS]".into()),
    })
}

fn now() -> Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(u64::try_from(now.as_nanos())?)
}

/// The reading process: prints the delay of each message, in nanoseconds.
fn read(kind: &str, writable: bool, name: &str, count: &str) -> Result<()> {
    let count = count.parse()?;
    let delays = if writable {
        read_from(&Feed::attach(name)?, kind, count)
    } else {
        read_from(&Feed::attach_read_only(name)?, kind, count)
    }?;
    for delay in delays {
        println!("{delay}");
    }
    Ok(())
}

fn read_from<A: Access>(shm: &Shm<Feed, A>, kind: &str, count: usize) -> Result<Vec<u64>> {
    let mut delays = Vec::with_capacity(count);
    if kind == "SeqLock" {
        let mut seen = shm.value.version();
        let last = seen + u64::try_from(count)?;
        println!("ready");
        // It may miss a value, and so get fewer.
        while seen < last {
            seen = shm.value.wait_newer(seen, LONG)?;
            delays.push(now()?.saturating_sub(shm.value.read()?));
        }
    } else {
        let mut messages = shm.queue.receiver();
        println!("ready");
        while delays.len() < count {
            let sent = messages.recv()?;
            delays.push(now()?.saturating_sub(sent));
        }
    }
    Ok(delays)
}

/// Publishes `count` messages `interval` apart, and returns the reader's delays.
fn publish(kind: &str, way: Way, interval: Duration, count: usize) -> Result<Vec<u64>> {
    let name = format!("/shm-benches-readers-{}", std::process::id());
    let shm = Feed::options().wake_readers(way.unasked).create(&name)?;
    let mut sender = shm.queue.sender()?;
    let mut reader = Command::new(std::env::current_exe()?)
        .args(["read", kind, &way.writable.to_string(), &name])
        .arg(count.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(reader.stdout.take().ok_or("no output")?).lines();
    if lines.next().transpose()?.as_deref() != Some("ready") {
        return Err("the reader does not start".into());
    }
    let mut next = Instant::now();
    for _ in 0..count {
        next += interval;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if kind == "SeqLock" {
            shm.value.store(now()?)?;
        } else {
            sender.send(now()?)?;
        }
    }
    let delays = lines
        .map(|line| Ok(line?.parse()?))
        .collect::<Result<Vec<u64>>>()?;
    reader.wait()?;
    Ok(delays)
}

fn measure(rounds: usize) -> Result<()> {
    println!(
        "{:<10} {:>9}  {:<26} {:>9} {:>9} {:>9} {:>9}   / writable (medians, means)",
        "type", "a second", "reader", "mean, µs", "median", "9 of 10", "99 of 100"
    );
    for kind in ["SeqLock", "Broadcast"] {
        for rate in [200, 1000_u32] {
            let mut delays = WAYS.map(|_| Vec::new());
            for _ in 0..rounds {
                for (way, delays) in WAYS.into_iter().zip(&mut delays) {
                    let count = (rate / 4).try_into()?;
                    delays.extend(publish(kind, way, Duration::from_secs(1) / rate, count)?);
                }
            }
            let results = delays.map(Summary::of);
            for (way, summary) in WAYS.iter().zip(&results) {
                println!(
                    "{kind:<10} {rate:>9}  {:<26} {:>9.0} {:>9.0} {:>9.0} {:>9.0}   {:.2}, {:.2}",
                    way.name,
                    summary.mean,
                    summary.parts[0],
                    summary.parts[1],
                    summary.parts[2],
                    summary.parts[0] / results[0].parts[0],
                    summary.mean / results[0].mean
                );
            }
        }
    }
    costs()
}

/// Delays in microseconds.
struct Summary {
    mean: f64,
    /// The median, and the times that 9 of 10 and 99 of 100 do not exceed.
    parts: [f64; 3],
}

impl Summary {
    fn of(mut delays: Vec<u64>) -> Self {
        delays.sort_unstable();
        let part = |of_100: usize| delays[delays.len() * of_100 / 100] as f64 / 1e3;
        Self {
            mean: delays.iter().sum::<u64>() as f64 / delays.len() as f64 / 1e3,
            parts: [part(50), part(90), part(99)],
        }
    }
}

/// What a commit costs at full speed, where nobody reads.
fn costs() -> Result<()> {
    heading("a change, nobody asleep", "unasked", "asked");
    let both = [true, false].map(|unasked| {
        let options = Feed::options().wake_readers(unasked);
        options.create_anonymous()
    });
    let [with, without] = both;
    let (with, without) = (with?, without?);
    let store = |shm: &Shm<Feed>| assert!(shm.value.store(1).is_ok());
    row(
        "SeqLock::store, 8 bytes",
        &compare(|| store(&with), || store(&without)),
    );
    let (mut one, mut two) = (with.queue.sender()?, without.queue.sender()?);
    let sends = compare(
        || assert!(one.send(1).is_ok()),
        || assert!(two.send(1).is_ok()),
    );
    row("Broadcast: send, 8 bytes", &sends);
    let event = |unasked| Event::options().wake_readers(unasked).create_anonymous();
    let (with, without) = (event(true)?, event(false)?);
    let notifies = compare(|| with.notify_all(), || without.notify_all());
    row("Event::notify_all", &notifies);
    Ok(())
}
