//! The speed of reading a sequence lock while its writer is stopped (`SIGSTOP`) in the middle of a write, while it commits
//! without a pause, and without a writer.
//!
//! `cargo run --release -p shm-benches --bin seqlock_stopped` prints a table. The three take turns of some milliseconds,
//! and neighbouring turns are compared. The writers are child processes, which this program kills in the end. The
//! committing writer is active only in its turn.

use std::env::args;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use shm_benches::exit_code;
use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The number of turns of each.
const ROUNDS: usize = 61;
const TURN: Duration = Duration::from_millis(8);

/// Commands for the committing writer.
const PAUSE: u32 = 0;
const COMMIT: u32 = 1;

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    exit_code(match words.as_slice() {
        ["stop", "8", name] => stop::<8>(name),
        ["stop", "128", name] => stop::<128>(name),
        ["stop", "8192", name] => stop::<8192>(name),
        ["commit", "8", name] => commit::<8>(name),
        ["commit", "128", name] => commit::<128>(name),
        ["commit", "8192", name] => commit::<8192>(name),
        _ => measure(),
    })
}

/// The name of the segment with the commands for the committing writer of `name`.
fn orders(name: &str) -> String {
    format!("{name}-orders")
}

/// A writer that stops itself after it has written half of the value.
fn stop<const N: usize>(name: &str) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::attach(name)?;
    let (_, stopped) = shm.write_with(|slot| {
        slot[..N / 2].fill(9);
        println!("half");
        raise(Signal::SIGSTOP)
    })?;
    Ok(stopped?)
}

/// A writer that commits without a pause while the command says so. It is killed in the end.
fn commit<const N: usize>(name: &str) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::attach(name)?;
    let orders = AtomicU32::attach(&orders(name))?;
    let mut value: Box<[u64; N]> = shm.read_boxed()?;
    println!("ready");
    loop {
        while orders.load(Ordering::Acquire) == COMMIT {
            value[0] += 1;
            shm.store_from(&value)?;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// A process. Dropping this kills it, stopped or not.
struct Writer(Child);

impl Writer {
    fn start(what: &str, words: usize, name: &str, hello: &str) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args([what, &words.to_string(), name])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut writer = Self(child);
        let output = writer.0.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim() != hello {
            return Err(format!("the writer says `{}`", line.trim()).into());
        }
        Ok(writer)
    }

    /// Waits until it is stopped.
    fn until_stopped(&self) -> Result<()> {
        let pid = Pid::from_raw(self.0.id().cast_signed());
        match waitpid(pid, Some(WaitPidFlag::WUNTRACED))? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) => Ok(()),
            status => Err(format!("the writer was to stop: {status:?}").into()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure() -> Result<()> {
    println!(
        "{:<22} {:>10} {:>10} {:>10}   {:>20} {:>20}",
        "million reads a second",
        "no writer",
        "stopped",
        "committing",
        "stopped / none",
        "committing / none"
    );
    beside::<8>()?;
    beside::<128>()?;
    beside::<8192>()
}

/// Calls per second over one turn.
fn rate(mut call: impl FnMut()) -> f64 {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < TURN {
        for _ in 0..16 {
            call();
        }
        calls += 16;
    }
    f64::from(calls) / start.elapsed().as_secs_f64()
}

/// The quartiles.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

/// Values of `N` words of 8 bytes.
fn beside<const N: usize>() -> Result<()> {
    let name = |what| format!("/shm-benches-{what}-{N}-{}", std::process::id());
    let (stopped_name, committing_name) = (name("stopped"), name("committing"));
    let alone = SeqLock::<[u64; N]>::create_anonymous()?;
    let stopped = SeqLock::<[u64; N]>::create(&stopped_name)?;
    let committing = SeqLock::<[u64; N]>::create(&committing_name)?;
    let orders = AtomicU32::create(&orders(&committing_name))?;
    let half = Writer::start("stop", N, &stopped_name, "half")?;
    half.until_stopped()?;
    let _busy = Writer::start("commit", N, &committing_name, "ready")?;

    let mut value: Box<[u64; N]> = alone.read_boxed()?;
    let commits = |work: &mut dyn FnMut() -> f64| {
        let before = committing.version();
        orders.store(COMMIT, Ordering::Release);
        // The writer may still be asleep.
        while committing.version() == before {
            std::hint::spin_loop();
        }
        let rate = work();
        orders.store(PAUSE, Ordering::Release);
        rate
    };
    let copies = (0..ROUNDS).map(|_| {
        let mut copy = |lock: &SeqLock<[u64; N]>| {
            rate(|| {
                black_box(lock.read_into(black_box(&mut value)).is_ok());
            })
        };
        let idle = [copy(&alone), copy(&stopped)];
        [idle[0], idle[1], commits(&mut || copy(&committing))]
    });
    row(&format!("{} bytes, read_into", 8 * N), copies.collect());
    let looks = (0..ROUNDS).map(|_| {
        let look = |lock: &SeqLock<[u64; N]>| {
            rate(|| {
                let _ = black_box(lock.read_with(|view| view[0].get()));
            })
        };
        let idle = [look(&alone), look(&stopped)];
        [idle[0], idle[1], commits(&mut || look(&committing))]
    });
    row(&format!("{} bytes, read_with", 8 * N), looks.collect());
    Ok(())
}

/// Prints the three medians, and the medians and quartiles of the ratios of neighbouring turns.
fn row(what: &str, rounds: Vec<[f64; 3]>) {
    let column = |of: fn(&[f64; 3]) -> f64| quartiles(rounds.iter().map(of).collect());
    let median = |of| column(of)[1] / 1e6;
    let ratio = |of| {
        let [low, median, high] = column(of);
        format!("{median:.2} ({low:.2} to {high:.2})")
    };
    println!(
        "{what:<22} {:>10.2} {:>10.2} {:>10.2}   {:>20} {:>20}",
        median(|round| round[0]),
        median(|round| round[1]),
        median(|round| round[2]),
        ratio(|round| round[1] / round[0]),
        ratio(|round| round[2] / round[0]),
    );
}
