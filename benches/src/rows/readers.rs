//! Readers with a read-only handle, which poll or are woken unasked.

use std::hint::black_box;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use shm_core::sync::{Broadcast, Event, SeqLock};
use shm_core::{Access, Shm, ShmLayout};

use crate::harness::{Bench, Result, Row, Sample, Settings, Target, calls, measured, median};
use crate::process::{Other, say, unique};

pub(super) const ROW: Row = Row::new(
    "readers",
    "from a commit until a sleeping reader has it, with a writable and a read-only handle, and what that costs the writer",
    run,
)
.helper(helper);

/// Longer than any message takes.
const LONG: Duration = Duration::from_secs(60);

#[derive(ShmLayout)]
#[repr(C)]
struct Feed {
    queue: Broadcast<u64, 64>,
    value: SeqLock<u64>,
}

/// How a reader is woken: its name, whether its handle is writable, and whether commits wake it unasked.
const WAYS: [(&str, bool, bool); 3] = [
    ("writable handle", true, false),
    ("read-only, polls", false, false),
    ("read-only, wake_readers", false, true),
];

fn now() -> Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(u64::try_from(now.as_nanos())?)
}

/// The reading process: prints the delay of each message, in nanoseconds.
fn helper(words: &[&str]) -> Result<()> {
    let [kind, handle, name, count] = words else {
        return Err("wrong arguments".into());
    };
    let count = count.parse()?;
    let delays = match *handle {
        "writable" => read(&Feed::attach(name)?, kind, count),
        _ => read(&Feed::attach_read_only(name)?, kind, count),
    }?;
    delays
        .iter()
        .try_for_each(|delay| say(&delay.to_string()))?;
    say("end")
}

fn read<A: Access>(shm: &Shm<Feed, A>, kind: &str, count: usize) -> Result<Vec<u64>> {
    let mut delays = Vec::with_capacity(count);
    if kind == "SeqLock" {
        let mut seen = shm.value.version();
        let last = seen + u64::try_from(count)?;
        say("ready")?;
        // It may miss a value, and so get fewer.
        while seen < last {
            seen = shm.value.wait_newer(seen, LONG)?;
            delays.push(now()?.saturating_sub(shm.value.read()?));
        }
    } else {
        let mut messages = shm.queue.receiver();
        say("ready")?;
        while delays.len() < count {
            let sent = messages.recv()?;
            delays.push(now()?.saturating_sub(sent));
        }
    }
    Ok(delays)
}

/// Publishes `rate` messages a second for a quarter of a second, and returns the reader's delays.
fn publish(
    settings: &Settings,
    row: &str,
    kind: &str,
    (_, writable, unasked): (&str, bool, bool),
    rate: u32,
) -> Result<Sample> {
    let count = settings.count(rate / 4, 10);
    let name = unique("readers");
    let shm = Feed::options().wake_readers(unasked).create(&name)?;
    let mut sender = shm.queue.sender()?;
    let handle = if writable { "writable" } else { "read-only" };
    let mut reader = Other::start(row, &[kind, handle, &name, &count.to_string()], None)?;
    reader.expect("ready")?;
    let mut next = Instant::now();
    for _ in 0..count {
        next += Duration::from_secs(1) / rate;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if kind == "SeqLock" {
            shm.value.store(now()?)?;
        } else {
            sender.send(now()?)?;
        }
    }
    let mut singles = Vec::new();
    loop {
        match reader.line()?.as_str() {
            "end" => break,
            delay => singles.push(delay.parse::<f64>()?),
        }
    }
    // Of a median one slow message moves nothing, of a mean every one counts.
    let mean = singles.iter().sum::<f64>() / singles.len() as f64;
    let middle = median(&singles);
    Ok(Sample {
        values: vec![middle, mean],
        singles,
    })
}

fn run(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    for kind in ["SeqLock", "Broadcast"] {
        for rate in [200, 1000] {
            let mut case = bench
                .case(format!("delay, {kind}, {rate} a second"))
                .metrics(&[("median", "ns"), ("mean", "ns")])
                .rounds(36);
            let [writable, polls, unasked] = WAYS;
            let turn = |way| measured(move |settings| publish(settings, row, kind, way, rate));
            case = case
                .limit(writable.0, turn(writable))
                .ours(polls.0, turn(polls))
                .ours(unasked.0, turn(unasked))
                .target(2.0)
                .target_of(1, Target::Times(2.0));
            case.run()?;
        }
    }
    costs(bench)
}

/// What a commit costs at full speed, where nobody reads.
fn costs(bench: &mut Bench) -> Result<()> {
    let feed = |unasked| Feed::options().wake_readers(unasked).create_anonymous();
    let (with, without) = (feed(true)?, feed(false)?);
    bench
        .case("SeqLock::store, nobody asleep")
        .limit(
            "without wake_readers",
            calls(|| _ = black_box(without.value.store(1))),
        )
        .ours(
            "with wake_readers",
            calls(|| _ = black_box(with.value.store(1))),
        )
        .run()?;
    let (mut one, mut two) = (with.queue.sender()?, without.queue.sender()?);
    bench
        .case("Broadcast: send, nobody asleep")
        .limit("without wake_readers", calls(|| _ = black_box(two.send(1))))
        .ours("with wake_readers", calls(|| _ = black_box(one.send(1))))
        .run()?;
    let event = |unasked| Event::options().wake_readers(unasked).create_anonymous();
    let (with, without) = (event(true)?, event(false)?);
    bench
        .case("Event::notify_all, nobody asleep")
        .limit("without wake_readers", calls(|| without.notify_all()))
        .ours("with wake_readers", calls(|| with.notify_all()))
        .run()
}
