//! Reads from a `SeqLock` while its writer is stopped in the middle of a value.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use shm_core::sync::SeqLock;
use shm_core::{Shm, ShmLayout};

use crate::harness::{Bench, Measure, Result, Row, Settings, measured};
use crate::process::{Other, say, unique};

pub(super) const ROW: Row = Row::new(
    "seqlock-stopped",
    "a reader while a writer in another process is stopped (`SIGSTOP`) in the middle of a value, and while one commits without a pause",
    run,
)
.helper(helper);

/// Commands to the committing writer.
const PAUSE: u32 = 0;
const COMMIT: u32 = 1;

fn run(bench: &mut Bench) -> Result<()> {
    size::<8>(bench)?;
    size::<128>(bench)?;
    size::<8192>(bench)
}

fn helper(words: &[&str]) -> Result<()> {
    match words {
        ["stop", "8", name] => stop::<8>(name),
        ["stop", "128", name] => stop::<128>(name),
        ["stop", "8192", name] => stop::<8192>(name),
        ["commit", "8", name] => commit::<8>(name),
        ["commit", "128", name] => commit::<128>(name),
        ["commit", "8192", name] => commit::<8192>(name),
        _ => Err("wrong arguments".into()),
    }
}

/// The name of the segment with the commands to the committing writer of `name`.
fn commands(name: &str) -> String {
    format!("{name}-commands")
}

/// Runs a writer that stops itself when it has written half of the value.
fn stop<const N: usize>(name: &str) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::attach(name)?;
    let (_, stopped) = shm.write_with(|slot| {
        slot[..N / 2].fill(9);
        say("half")?;
        raise(Signal::SIGSTOP)?;
        Result::Ok(())
    })?;
    stopped
}

/// Runs a writer that commits without a pause while commanded to, until it is killed.
fn commit<const N: usize>(name: &str) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::attach(name)?;
    let commands = AtomicU32::attach(&commands(name))?;
    let mut value: Box<[u64; N]> = shm.read_boxed()?;
    say("ready")?;
    loop {
        while commands.load(Ordering::Acquire) == COMMIT {
            value[0] += 1;
            shm.store_from(&value)?;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// The time of a call, over some milliseconds.
fn time(settings: &Settings, mut call: impl FnMut()) -> f64 {
    let turn = settings.count(Duration::from_millis(8), Duration::from_millis(1));
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < turn {
        for _ in 0..16 {
            call();
        }
        calls += 16;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn size<const N: usize>(bench: &mut Bench) -> Result<()> {
    let (stopped_name, busy_name) = (unique("stopped"), unique("busy"));
    let alone = SeqLock::<[u64; N]>::create_anonymous()?;
    let stopped = SeqLock::<[u64; N]>::create(&stopped_name)?;
    let busy = SeqLock::<[u64; N]>::create(&busy_name)?;
    let commands = AtomicU32::create(&commands(&busy_name))?;
    let words = N.to_string();
    let mut half = Other::start(bench.row(), &["stop", &words, &stopped_name], None)?;
    half.expect("half")?;
    match waitpid(half.id(), Some(WaitPidFlag::WUNTRACED))? {
        WaitStatus::Stopped(_, Signal::SIGSTOP) => {}
        status => return Err(format!("the writer did not stop: {status:?}").into()),
    }
    let mut writer = Other::start(bench.row(), &["commit", &words, &busy_name], None)?;
    writer.expect("ready")?;

    let value: Box<[u64; N]> = alone.read_boxed()?;
    // The writer commits during `work` only.
    let commits = |work: &mut dyn FnMut() -> f64| {
        let before = busy.version();
        commands.store(COMMIT, Ordering::Release);
        // The writer may be asleep.
        while busy.version() == before {
            std::hint::spin_loop();
        }
        let time = work();
        commands.store(PAUSE, Ordering::Release);
        time
    };
    type Lock<const N: usize> = Shm<SeqLock<[u64; N]>>;
    fn copy<const N: usize>(settings: &Settings, lock: &Lock<N>, value: &mut [u64; N]) -> f64 {
        time(settings, || {
            _ = black_box(lock.read_into(black_box(value)).is_ok())
        })
    }
    fn in_place<const N: usize>(settings: &Settings, lock: &Lock<N>) -> f64 {
        time(settings, || {
            _ = black_box(lock.read_with(|view| view[0].get()))
        })
    }
    let copies = |lock| -> Measure<'_> {
        let mut value = value.clone();
        measured(move |settings| Ok(copy(settings, lock, &mut value)))
    };
    let mut busy_value = value.clone();
    bench
        .case(format!("read_into, {} bytes", 8 * N))
        .rounds(61)
        .limit("no writer", copies(&alone))
        .ours("a stopped writer", copies(&stopped))
        .ours(
            "one that commits",
            measured(|settings| Ok(commits(&mut || copy(settings, &busy, &mut busy_value)))),
        )
        .run()?;
    bench
        .case(format!("read_with of one word, {} bytes", 8 * N))
        .rounds(61)
        .limit(
            "no writer",
            measured(|settings| Ok(in_place(settings, &alone))),
        )
        .ours(
            "a stopped writer",
            measured(|settings| Ok(in_place(settings, &stopped))),
        )
        .ours(
            "one that commits",
            measured(|settings| Ok(commits(&mut || in_place(settings, &busy)))),
        )
        .run()
}
