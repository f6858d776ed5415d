//! The cost of claims: an uncontended lock; attaching, probing and taking over with many participants.
//!
//! `cargo run --release -p shm-benches --bin claims [PARTICIPANTS]..` prints the tables of shm-core/docs/performance.md. The
//! participants are child processes of this program.

use std::collections::hash_map::RandomState;
use std::env::args;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use shm_benches::{compare, exit_code, heading, row};
use shm_core::sync::{LockError, Mutex};
use shm_core::{Shm, ShmLayout};

#[derive(ShmLayout)]
#[repr(C)]
struct Locked {
    lock: Mutex<u64>,
    bare: AtomicU32,
    _pad: u32,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let result = match arguments.as_slice() {
        [mode, name] if mode == "hold" => hold(name),
        _ => measure(&arguments),
    };
    exit_code(result)
}

/// Runs a participant: attaches, and locks on request. Ends when its input ends.
fn hold(name: &str) -> Result<()> {
    let start = Instant::now();
    let shm = Locked::attach(name)?;
    println!("{}", start.elapsed().as_nanos());
    for line in io::stdin().lock().lines() {
        line?;
        match shm.lock.lock() {
            Ok(guard) | Err(LockError::OwnerDied(guard)) => std::mem::forget(guard),
            Err(error) => return Err(error.to_string().into()),
        }
        println!("held");
    }
    Ok(())
}

struct Participant {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Participant {
    /// Starts a participant. Also returns how long it took to attach, in nanoseconds.
    fn start(name: &str) -> Result<(Self, f64)> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["hold", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut participant = Self {
            child,
            input: input.ok_or("no input")?,
            output: BufReader::new(output.ok_or("no output")?),
        };
        let took = participant.read_line()?.parse()?;
        Ok((participant, took))
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn lock(&mut self) -> Result<()> {
        writeln!(self.input, "lock")?;
        match self.read_line()?.as_str() {
            "held" => Ok(()),
            other => Err(format!("unexpected answer of the participant: `{other}`").into()),
        }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(arguments: &[String]) -> Result<()> {
    uncontended()?;
    let mut counts: Vec<usize> = arguments
        .iter()
        .map(|text| text.parse())
        .collect::<std::result::Result<_, _>>()?;
    if counts.is_empty() {
        counts = vec![1, 10, 100, 1000];
    }
    let name = format!("/shm-benches-claims-{}", std::process::id());
    let shm = Locked::create(&name)?;
    println!(
        "\n{:>12} {:>16} {:>16} {:>14} {:>14} {:>14}",
        "participants", "attach, µs", "failed try, µs", "death, ms", "p90", "longest"
    );
    let mut participants: Vec<Participant> = Vec::new();
    for count in counts {
        // This process is a participant too.
        while participants.len() + 1 < count {
            participants.push(Participant::start(&name)?.0);
        }
        let attach = (0..15)
            .map(|_| Ok(Participant::start(&name)?.1 / 1e3))
            .collect::<Result<Vec<f64>>>()?;
        let deaths = (0..50)
            .map(|_| death(&shm, &name))
            .collect::<Result<Vec<f64>>>()?;
        let longest = deaths.iter().copied().fold(0.0, f64::max);
        println!(
            "{:>12} {:>16.1} {:>16.2} {:>14.1} {:>14.1} {:>14.1}",
            participants.len() + 1,
            quantile(attach, 0.5),
            failed_try(&shm, &name)?,
            quantile(deaths.clone(), 0.5),
            quantile(deaths, 0.9),
            longest,
        );
    }
    Ok(())
}

fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}

/// The time of a `try_lock` that finds a living owner, in microseconds. Most of it is the liveness probe.
fn failed_try(shm: &Shm<Locked>, name: &str) -> Result<f64> {
    let (mut owner, _) = Participant::start(name)?;
    owner.lock()?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        if !matches!(shm.lock.try_lock(), Err(LockError::WouldBlock)) {
            return Err("`try_lock` did not find a living owner".into());
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    drop(owner);
    clean_up(shm);
    Ok(quantile(times, 0.5))
}

/// The time from a kill until a waiter has the lock, in milliseconds.
fn death(shm: &Shm<Locked>, name: &str) -> Result<f64> {
    let jitter = RandomState::new();
    let (mut owner, _) = Participant::start(name)?;
    owner.lock()?;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let locked = shm.lock.lock();
            let now = Instant::now();
            match locked {
                Err(LockError::OwnerDied(mut guard)) => {
                    guard.mark_consistent();
                    Ok(now)
                }
                other => Err(format!("{other:?}")),
            }
        });
        // Long enough for the waiter to reach any length of its sleep slices, at a random moment of a slice.
        std::thread::sleep(Duration::from_micros(
            20_000 + jitter.hash_one(owner.child.id()) % 200_000,
        ));
        let killed = Instant::now();
        owner.child.kill()?;
        let locked = waiter.join().map_err(|_| "the waiter panicked")??;
        Ok(locked.saturating_duration_since(killed).as_secs_f64() * 1e3)
    })
}

fn clean_up(shm: &Shm<Locked>) {
    if let Some(mut guard) = shm.lock.lock().err().and_then(LockError::into_guard) {
        guard.mark_consistent();
    }
}

/// Lock, add one, unlock, compared with a bare compare-and-swap and with the standard library's mutex.
fn uncontended() -> Result<()> {
    let shm = Locked::create_anonymous()?;
    let standard = StdMutex::new(0_u64);
    let ours = || {
        if let Ok(guard) = shm.lock.lock() {
            guard.set(guard.get() + 1);
        }
    };
    heading("lock, add one, unlock", "this", "the other");
    let other = || {
        let free = shm
            .bare
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        black_box(free.is_ok());
        black_box(&shm).bare.swap(0, Ordering::Release);
    };
    row("vs. a bare compare-and-swap", &compare(ours, other));
    let other = || {
        if let Ok(mut value) = black_box(&standard).lock() {
            *value += 1;
        }
    };
    row("vs. std::sync::Mutex", &compare(ours, other));
    Ok(())
}
