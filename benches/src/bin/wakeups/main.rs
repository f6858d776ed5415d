//! Counts lost wake-ups: exchanges between two processes that took as long as if the sleeper was not woken.
//!
//! A sleeper polls after 5 ms, then after 10, 20, 40 and 50. So a lost wake-up does not hang a process, but costs at least
//! 5 ms: it shows as an exchange of more than 4.5 ms. An exchange that had to wait for a processor also shows. The kernel
//! reports how long the processes have waited for processors; the exchanges that this does not explain are in the column
//! *asleep*, and only these can be lost wake-ups. A lost one takes slightly more than 5.0 ms; the end of the row lists the
//! times. If the machine is a virtual one and the host suspends its processors, that shows there too, and is not reported.
//! The pipe is for comparison: it loses none.
//!
//! `cargo run --release -p shm-benches --bin wakeups -- [--cpus A,B] [EXCHANGES] [Mutex ..]` prints the tables of
//! shm-core/docs/crash-model.md: first two processes alone, then with a third one that waits for the same, then with one that
//! is killed at random instants, over and over. `--cpus` pins each of the two to a processor; with `0,0` every wait is a
//! sleep.

mod ways;

use std::collections::hash_map::RandomState;
use std::env::args;
use std::fs::{File, read_to_string};
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use shm_core::{Shm, ShmLayout};

use ways::{Field, WAYS, Way};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The minimum time of an exchange with a lost wake-up: slightly less than the first sleep.
const LOST: Duration = Duration::from_micros(4500);

/// The number of exchanges between two readings of the scheduler's clocks.
const BETWEEN_READINGS: u64 = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["answer", way, name, cpu] => answer(way, name, cpu),
        ["wait", way, name] => wait(way, name),
        ["kill", way, name] => kill(way, name),
        options => measure(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn way(name: &str) -> Result<&'static Way> {
    let found = WAYS.iter().find(|way| way.name == name);
    Ok(found.ok_or_else(|| format!("unknown type `{name}`"))?)
}

/// Pins this process, and those that it starts, to a processor, if `cpu` is a number.
fn pin_to(cpu: &str) -> Result<()> {
    if let Ok(cpu) = cpu.parse() {
        let mut set = CpuSet::new();
        set.set(cpu)?;
        sched_setaffinity(Pid::this(), &set)?;
    }
    Ok(())
}

/// Runs the second process: answers until it is killed.
fn answer(name: &str, segment: &str, cpu: &str) -> Result<()> {
    pin_to(cpu)?;
    (way(name)?.answer)(&Field::attach(segment)?)
}

/// Runs the third process: waits for what the second waits for, until it is killed.
fn wait(name: &str, segment: &str) -> Result<()> {
    let shm = Field::attach(segment)?;
    println!("ready");
    (way(name)?.wait)(&shm)
}

/// Starts and kills one waiter after the other, until the input ends. Prints how many.
fn kill(way: &str, segment: &str) -> Result<()> {
    let (done, random) = (AtomicBool::new(false), RandomState::new());
    let mut kills = 0_u64;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = stdin().read(&mut [0]);
            done.store(true, Release);
        });
        while !done.load(Acquire) {
            let mut victim = Helper::start(&["wait", way, segment])?;
            victim.ready()?;
            // It is then asleep, just woken, or about to sleep again.
            std::thread::sleep(Duration::from_micros(random.hash_one(kills) % 2000));
            drop(victim);
            kills += 1;
        }
        println!("{kills}");
        Ok(())
    })
}

/// A child process. Dropping it kills the process.
struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = BufReader::new(output.ok_or("no output")?);
        Ok(Self {
            child,
            input,
            output,
        })
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn ready(&mut self) -> Result<()> {
        match self.read_line()?.as_str() {
            "ready" => Ok(()),
            other => Err(format!("unexpected answer of the other process: `{other}`").into()),
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a number through one pipe and receives it through the other.
    fn exchange(&mut self, number: u64) -> Result<()> {
        let input = self.input.as_mut().ok_or("no input")?;
        input.write_all(&number.to_ne_bytes())?;
        let mut back = [0; 8];
        self.output.read_exact(&mut back)?;
        same(u64::from_ne_bytes(back), number)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.end();
    }
}

/// Checks a received value.
fn same(found: u64, expected: u64) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("received {found} instead of {expected}").into())
    }
}

/// The number of times that the two processes together have gone to sleep so far.
fn sleeps(both: &[String; 2]) -> Result<u64> {
    let mut total = 0;
    for process in both {
        let status = read_to_string(format!("/proc/{process}/status"))?;
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        total += count
            .ok_or("unexpected format of /proc/*/status")?
            .trim()
            .parse::<u64>()?;
    }
    Ok(total)
}

/// The time that the processes together have been runnable but waiting for a processor so far.
fn in_queue(clocks: &[File]) -> Result<Duration> {
    let mut total = 0;
    for clock in clocks {
        let mut text = [0; 64];
        let len = clock.read_at(&mut text, 0)?;
        let text = std::str::from_utf8(&text[..len])?;
        let nanoseconds = text
            .split(' ')
            .nth(1)
            .ok_or("unexpected format of /proc/*/schedstat")?;
        total += nanoseconds.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

/// A third process that waits for the same as the second.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Third {
    Absent,
    Lives,
    /// One after the other, killed at random instants.
    Dies,
}

/// One row of a table, and what is needed to measure it.
struct Run<'a> {
    way: &'a Way,
    shm: &'a Shm<Field>,
    partner: Helper,
    exchanges: u64,
    third: Third,
    slow: u64,
    /// The times of the slow exchanges that the kernel's clocks do not explain.
    asleep: Vec<Duration>,
    longest: Duration,
    sleeps: u64,
    kills: u64,
    not_counted: u64,
}

impl Run<'_> {
    /// Makes the exchanges and times each. Call it when this side is ready.
    fn exchange(&mut self, mut one: impl FnMut(&mut Helper, u64) -> Result<()>) -> Result<()> {
        self.partner.ready()?;
        let third = match self.third {
            Third::Absent => None,
            Third::Lives => {
                let mut third = Helper::start(&["wait", self.way.name, self.shm.name()])?;
                third.ready()?;
                Some(third)
            }
            Third::Dies => Some(Helper::start(&["kill", self.way.name, self.shm.name()])?),
        };
        let both = [
            "thread-self".to_owned(),
            self.partner.child.id().to_string(),
        ];
        let before = sleeps(&both)?;
        // The third process may hold the lock or the permit while it waits for a processor.
        let third_too = third.as_ref().filter(|_| self.third == Third::Lives);
        let all = both.iter().cloned();
        let clocks = all
            .chain(third_too.map(|third| third.child.id().to_string()))
            .map(|process| Ok(File::open(format!("/proc/{process}/schedstat"))?))
            .collect::<Result<Vec<_>>>()?;
        let mut queued = in_queue(&clocks)?;
        for number in 1..=self.exchanges {
            // Not every time, because that would affect the timing of the exchanges.
            if number % BETWEEN_READINGS == 0 {
                queued = in_queue(&clocks)?;
            }
            let (died, start) = (self.shm.died.load(Relaxed), Instant::now());
            one(&mut self.partner, number)?;
            let took = start.elapsed();
            if self.shm.died.load(Relaxed) != died {
                self.not_counted += 1;
                continue;
            }
            if took >= LOST {
                let now = in_queue(&clocks)?;
                self.slow += 1;
                if took.saturating_sub(now.saturating_sub(queued)) >= LOST {
                    self.asleep.push(took);
                }
                queued = now;
            }
            self.longest = self.longest.max(took);
        }
        self.sleeps = sleeps(&both)? - before;
        // Otherwise it would report that this end is closed.
        self.partner.end();
        if let (Some(mut killer), Third::Dies) = (third, self.third) {
            drop(killer.input.take());
            self.kills = killer.read_line()?.parse()?;
        }
        Ok(())
    }
}

fn measure(options: &[&str]) -> Result<()> {
    let (mut cpus, mut exchanges, mut ways) = (("any", "any"), 60_000, Vec::new());
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--cpus" => {
                let pair = options.next().and_then(|cpus| cpus.split_once(','));
                cpus = pair.ok_or("--cpus needs two numbers, as in `--cpus 0,1`")?;
            }
            word => match word.parse() {
                Ok(number) => exchanges = number,
                Err(_) => ways.push(way(word)?),
            },
        }
    }
    if ways.is_empty() {
        ways.extend(WAYS);
    }
    pin_to(cpus.0)?;
    for third in [Third::Absent, Third::Lives, Third::Dies] {
        println!(
            "\n{:<11} {:>10} {:>9} {:>12} {:>12} {:>12} {:>8}  {:>12}",
            match third {
                Third::Absent => "two alone",
                Third::Lives => "and a third",
                Third::Dies => "that dies",
            },
            "exchanges",
            "sleeps",
            "over 4.5 ms",
            "asleep",
            "longest, ms",
            "kills",
            "not counted   asleep, each, ms"
        );
        for way in &ways {
            row(way, exchanges, cpus.1, third)?;
        }
    }
    Ok(())
}

/// The shortest 30 of the times, in milliseconds.
fn format_times(asleep: &[Duration]) -> String {
    let mut asleep = asleep.to_vec();
    asleep.sort();
    let first = asleep
        .iter()
        .take(30)
        .map(|took| format!("{:.1}", took.as_secs_f64() * 1e3));
    first.collect::<Vec<_>>().join(" ")
}

fn row(way: &Way, exchanges: u64, cpu: &str, third: Third) -> Result<()> {
    let name = format!("/shm-benches-wakeups-{}", std::process::id());
    let shm = Field::create(&name)?;
    let mut run = Run {
        way,
        shm: &shm,
        partner: Helper::start(&["answer", way.name, &name, cpu])?,
        exchanges,
        third,
        slow: 0,
        asleep: Vec::new(),
        longest: Duration::ZERO,
        sleeps: 0,
        kills: 0,
        not_counted: 0,
    };
    (way.ask)(&shm, &mut run)?;
    println!(
        "{:<11} {:>10} {:>9} {:>12} {:>12} {:>12.2} {:>8} {:>12}   {}",
        way.name,
        exchanges,
        run.sleeps,
        run.slow,
        run.asleep.len(),
        run.longest.as_secs_f64() * 1e3,
        run.kills,
        run.not_counted,
        format_times(&run.asleep)
    );
    Ok(())
}
