//! The speed of reads from a `SeqLock` without a writer, with a writer stopped (`SIGSTOP`) in the middle of a write, and with
//! one that commits without a pause.
//!
//! `cargo run --release -p shm-benches --bin seqlock_stopped` prints a table. The three cases run alternately, for 8 ms each,
//! and what counts is the ratio of neighbouring runs. Writers are child processes of this program. The committing writer
//! commits only during its own runs.

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

/// The number of runs of each case.
const ROUNDS: usize = 61;
/// The time of one run.
const RUN: Duration = Duration::from_millis(8);

/// Commands to the committing writer.
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

/// The name of the segment with the commands to the committing writer of `name`.
fn commands(name: &str) -> String {
    format!("{name}-commands")
}

/// Runs a writer that stops itself when it has written half of the value.
fn stop<const N: usize>(name: &str) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::attach(name)?;
    let (_, stopped) = shm.write_with(|slot| {
        slot[..N / 2].fill(9);
        println!("half");
        raise(Signal::SIGSTOP)
    })?;
    Ok(stopped?)
}

/// Runs a writer that commits without a pause while commanded to, until it is killed.
fn commit<const N: usize>(name: &str) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::attach(name)?;
    let commands = AtomicU32::attach(&commands(name))?;
    let mut value: Box<[u64; N]> = shm.read_boxed()?;
    println!("ready");
    loop {
        while commands.load(Ordering::Acquire) == COMMIT {
            value[0] += 1;
            shm.store_from(&value)?;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// A child process. Dropping it kills the process, even if it is stopped.
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
            return Err(format!("unexpected answer of the writer: `{}`", line.trim()).into());
        }
        Ok(writer)
    }

    /// Waits until it is stopped.
    fn until_stopped(&self) -> Result<()> {
        let pid = Pid::from_raw(self.0.id().cast_signed());
        match waitpid(pid, Some(WaitPidFlag::WUNTRACED))? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) => Ok(()),
            status => Err(format!("the writer did not stop: {status:?}").into()),
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
        "million reads per second",
        "no writer",
        "stopped",
        "committing",
        "stopped / none",
        "committing / none"
    );
    compare::<8>()?;
    compare::<128>()?;
    compare::<8192>()
}

/// The number of calls per second, over one run.
fn rate(mut call: impl FnMut()) -> f64 {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < RUN {
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

/// Measures the three cases with values of `N` words of 8 bytes.
fn compare<const N: usize>() -> Result<()> {
    let name = |what| format!("/shm-benches-{what}-{N}-{}", std::process::id());
    let (stopped_name, committing_name) = (name("stopped"), name("committing"));
    let alone = SeqLock::<[u64; N]>::create_anonymous()?;
    let stopped = SeqLock::<[u64; N]>::create(&stopped_name)?;
    let committing = SeqLock::<[u64; N]>::create(&committing_name)?;
    let commands = AtomicU32::create(&commands(&committing_name))?;
    let half = Writer::start("stop", N, &stopped_name, "half")?;
    half.until_stopped()?;
    let _busy = Writer::start("commit", N, &committing_name, "ready")?;

    let mut value: Box<[u64; N]> = alone.read_boxed()?;
    let commits = |work: &mut dyn FnMut() -> f64| {
        let before = committing.version();
        commands.store(COMMIT, Ordering::Release);
        // The writer may be asleep.
        while committing.version() == before {
            std::hint::spin_loop();
        }
        let rate = work();
        commands.store(PAUSE, Ordering::Release);
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
    let reads_with = (0..ROUNDS).map(|_| {
        let read_with = |lock: &SeqLock<[u64; N]>| {
            rate(|| {
                let _ = black_box(lock.read_with(|view| view[0].get()));
            })
        };
        let idle = [read_with(&alone), read_with(&stopped)];
        [idle[0], idle[1], commits(&mut || read_with(&committing))]
    });
    row(&format!("{} bytes, read_with", 8 * N), reads_with.collect());
    Ok(())
}

/// Prints the medians of the three, and the ratios of neighbouring runs with their quartiles.
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
