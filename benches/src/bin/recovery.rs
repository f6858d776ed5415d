//! What dead owners, contention and idle waiting cost.
//!
//! `cargo run --release -p shm-benches --bin recovery [PARTICIPANTS]..` prints the tables of shm-core/docs/performance.md. All
//! other processes are children of this program.

use std::env::args;
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use shm_benches::exit_code;
use shm_core::sync::{Event, LockError, Mutex, SeqLock};
use shm_core::{Shm, ShmLayout};

/// The number of writer's roles that the dead process held.
const ROLES: usize = 500;
/// How many times to measure each of the cases with a dead owner.
const ROUNDS: usize = 9;
/// How long the processes contend for a lock.
const CONTENTION: Duration = Duration::from_secs(2);
/// The work of those that also do something with the lock, and then as much without it, in microseconds.
const WORK: &str = "10";
/// The number of idle waiters, and how long to count their sleeps.
const WAITERS: usize = 50;
const IDLE: Duration = Duration::from_secs(40);
/// The seconds of each row of that.
const IDLE_STEP: u64 = 4;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Shared {
    roles: [SeqLock<u64>; ROLES],
    lock: Mutex<u64>,
    added: Mutex<[u64; 2]>,
    event: Event,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    exit_code(match words.as_slice() {
        ["take", name] => take(name),
        ["add", name, work] => work
            .parse()
            .map_err(Into::into)
            .and_then(|work| add(name, work)),
        counts => measure(counts),
    })
}

/// Runs a process that takes all roles and the lock, and keeps them until it is killed.
fn take(name: &str) -> Result<()> {
    let shm = Shared::attach(name)?;
    for role in &shm.roles {
        std::mem::forget(role.write()?);
    }
    std::mem::forget(shm.lock.lock_recover(|_| ())?);
    println!("taken");
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Runs a process that adds to two numbers under a lock, once its input has something. It works for so many microseconds with the
/// lock, and as long without it.
fn add(name: &str, work: u64) -> Result<()> {
    let shm = Shared::attach(name)?;
    println!("attached");
    if stdin().read(&mut [0])? == 0 {
        return Ok(());
    }
    let work = || {
        let start = Instant::now();
        while work > 0 && start.elapsed() < Duration::from_micros(work) {}
    };
    loop {
        let numbers = shm.added.lock_recover(|_| ())?;
        numbers[0].set(numbers[0].get() + 1);
        work();
        numbers[1].set(numbers[1].get() + 1);
        drop(numbers);
        work();
    }
}

/// A child, which is killed when this is dropped.
struct Peer {
    child: Child,
    input: ChildStdin,
    _output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a child and waits until it is ready.
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut output = BufReader::new(output.ok_or("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(Self {
            child,
            input: input.ok_or("no input")?,
            _output: output,
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(counts: &[&str]) -> Result<()> {
    let mut counts: Vec<usize> = counts
        .iter()
        .map(|text| text.parse())
        .collect::<std::result::Result<_, _>>()?;
    if counts.is_empty() {
        counts = vec![1, 10, 100, 1000];
    }
    println!(
        "{:>12} {:>14} {:>14} {:>14} {:>12} {:>12} {:>12}",
        "participants",
        "long dead, µs",
        "500 roles, ms",
        "just dead, ms",
        "8 add, ns",
        "3 work, ns",
        "all work, ns",
    );
    for count in counts {
        let name = format!("/shm-benches-recovery-{}", std::process::id());
        let shm = Shared::create(&name)?;
        let bystanders = (1..count)
            .map(|_| Peer::start(&["add", &name, WORK]))
            .collect::<Result<Vec<Peer>>>()?;
        let dead = long_dead(&shm, &name)?;
        let killed = just_dead(&shm, &name)?;
        let contended = |adders, work| {
            let adders = (0..adders)
                .map(|_| Peer::start(&["add", &name, work]))
                .collect::<Result<Vec<Peer>>>()?;
            contention(&shm, adders)
        };
        let (eight, three) = (contended(8, "0")?, contended(3, WORK)?);
        println!(
            "{count:>12} {:>14.1} {:>14.2} {killed:>14.1} {eight:>12.0} {three:>12.0} {:>12.0}",
            dead[0] * 1e6,
            dead[1] * 1e3,
            contention(&shm, bystanders)?,
        );
    }
    idle()
}

/// How long it takes to lock the lock, and all roles, of a process that was reaped before; in seconds.
fn long_dead(shm: &Shm<Shared>, name: &str) -> Result<[f64; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        drop(Peer::start(&["take", name])?);
        let start = Instant::now();
        recover(shm)?;
        times[0].push(start.elapsed().as_secs_f64());
        drop(Peer::start(&["take", name])?);
        let start = Instant::now();
        for role in &shm.roles {
            drop(role.write()?);
        }
        times[1].push(start.elapsed().as_secs_f64());
        recover(shm)?;
    }
    Ok(times.map(median))
}

/// How long it takes to lock the lock of a process that is killed at this moment; in milliseconds.
fn just_dead(shm: &Shm<Shared>, name: &str) -> Result<f64> {
    let times = (0..ROUNDS).map(|_| {
        let mut owner = Peer::start(&["take", name])?;
        let start = Instant::now();
        owner.child.kill()?;
        recover(shm)?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    });
    Ok(median(times.collect::<Result<Vec<f64>>>()?))
}

/// Takes the lock over from a dead owner.
fn recover(shm: &Shm<Shared>) -> Result<()> {
    let Err(LockError::OwnerDied(mut guard)) = shm.lock.lock() else {
        return Err("the owner did not die with the lock".into());
    };
    guard.mark_consistent();
    Ok(())
}

/// The time of an addition under a lock for which these processes contend, in nanoseconds. Ends them.
fn contention(shm: &Shm<Shared>, mut adders: Vec<Peer>) -> Result<f64> {
    if adders.is_empty() {
        return Ok(f64::NAN);
    }
    for adder in &mut adders {
        adder.input.write_all(b"g")?;
    }
    let done = || shm.added.unlocked()[0].get();
    let (start, before) = (Instant::now(), done());
    std::thread::sleep(CONTENTION);
    let took = start.elapsed();
    let added = done() - before;
    for adder in &mut adders {
        adder.child.kill()?;
    }
    Ok(took.as_nanos() as f64 / added as f64)
}

/// How often waiters wake that have nothing to do, in sleeps of all of them a second.
fn idle() -> Result<()> {
    let shm = Shared::create_anonymous()?;
    let _guard = shm.lock.lock_recover(|_| ())?;
    println!(
        "\n{:>20} {:>16} {:>16}",
        "waited, s", "wakes a second", "processor, ms/s"
    );
    std::thread::scope(|scope| {
        for _ in 0..WAITERS {
            scope.spawn(|| shm.event.wait_timeout(shm.event.generation(), IDLE));
        }
        let mut last = usage()?;
        for begin in 0..IDLE.as_secs() / IDLE_STEP {
            std::thread::sleep(Duration::from_secs(IDLE_STEP));
            let now = usage()?;
            let per_second = |count: f64| count / IDLE_STEP as f64;
            println!(
                "{:>20} {:>16.1} {:>16.2}",
                format!("{} to {}", begin * IDLE_STEP, (begin + 1) * IDLE_STEP),
                per_second(now.0 - last.0),
                per_second(now.1 - last.1),
            );
            last = now;
        }
        Ok(())
    })
}

/// The voluntary context switches of this process, and its processor time in milliseconds.
fn usage() -> Result<(f64, f64)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let millis = |time: TimeVal| time.num_microseconds() as f64 / 1e3;
    Ok((
        usage.voluntary_context_switches() as f64,
        millis(usage.user_time()) + millis(usage.system_time()),
    ))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
