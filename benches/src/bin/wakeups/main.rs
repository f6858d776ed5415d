//! Counts lost wake-ups: two processes exchange messages, and an exchange with a lost wake-up takes at least as long as
//! a sleeper's first time slice.
//!
//! A sleeper polls after 5 ms, then after 10, 20, 40 and 50 ms. So a lost wake-up hangs no process, but costs at least
//! 5 ms, and shows as an exchange of more than 4.5 ms. So does an exchange that had to wait for a processor. The kernel
//! reports how long the processes waited for one. The column *asleep* counts the exchanges that these waits do not
//! explain, and only they can be lost wake-ups. A lost wake-up takes slightly more than 5.0 ms; the end of each row lists
//! the times. If the machine is a virtual one, times in which it had no processor are in that column as well, and nothing
//! reports how long they were. The pipe is there for comparison, since it loses no wake-up.
//!
//! `cargo run --release -p shm-benches --bin wakeups -- [--cpus A,B] [EXCHANGES] [Mutex ..]` prints the tables of
//! shm-core/docs/crash-model.md: two processes alone, then with a third that waits for the same, then with
//! third processes that are killed at random instants. `--cpus` binds each of the two to a processor; with `0,0` every
//! wait is a sleep.

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
use shm_benches::exit_code;
use shm_core::{Shm, ShmLayout};

use ways::{Field, WAYS, Way};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The least time of an exchange with a lost wake-up: slightly less than the first time slice.
const LOST: Duration = Duration::from_micros(4500);

/// The number of exchanges between two reads of the scheduler's clocks.
const BETWEEN_LOOKS: u64 = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    exit_code(match words.as_slice() {
        ["answer", way, name, cpu] => answer(way, name, cpu),
        ["wait", way, name] => wait(way, name),
        ["kill", way, name] => kill(way, name),
        options => measure(options),
    })
}

fn way(name: &str) -> Result<&'static Way> {
    let found = WAYS.iter().find(|way| way.name == name);
    Ok(found.ok_or_else(|| format!("there is no way `{name}`"))?)
}

/// Binds this process and its children to a processor, if `cpu` is a number.
fn stay_on(cpu: &str) -> Result<()> {
    if let Ok(cpu) = cpu.parse() {
        let mut set = CpuSet::new();
        set.set(cpu)?;
        sched_setaffinity(Pid::this(), &set)?;
    }
    Ok(())
}

/// The other process: answers until it is killed.
fn answer(name: &str, segment: &str, cpu: &str) -> Result<()> {
    stay_on(cpu)?;
    (way(name)?.answer)(&Field::attach(segment)?)
}

/// The third process: waits for what the others wait for, until it is killed.
fn wait(name: &str, segment: &str) -> Result<()> {
    let shm = Field::attach(segment)?;
    println!("ready");
    (way(name)?.wait)(&shm)
}

/// Starts and kills waiting processes until the input ends. Prints how many.
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
            // Asleep, just woken, or about to fall asleep again.
            std::thread::sleep(Duration::from_micros(random.hash_one(kills) % 2000));
            drop(victim);
            kills += 1;
        }
        println!("{kills}");
        Ok(())
    })
}

/// A process of this program. Dropping this kills it.
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

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn ready(&mut self) -> Result<()> {
        match self.hear()?.as_str() {
            "ready" => Ok(()),
            other => Err(format!("the other process says `{other}`").into()),
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A round trip through the two pipes.
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

/// Fails if the number that arrived is another than expected.
fn same(found: u64, expected: u64) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found} came instead of {expected}").into())
    }
}

/// How often the two processes have slept so far.
fn sleeps(both: &[String; 2]) -> Result<u64> {
    let mut total = 0;
    for process in both {
        let status = read_to_string(format!("/proc/{process}/status"))?;
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        total += count
            .ok_or("status is of another kind")?
            .trim()
            .parse::<u64>()?;
    }
    Ok(total)
}

/// The total time for which the processes were runnable but had no processor.
fn in_queue(clocks: &[File]) -> Result<Duration> {
    let mut total = 0;
    for clock in clocks {
        let mut text = [0; 64];
        let len = clock.read_at(&mut text, 0)?;
        let text = std::str::from_utf8(&text[..len])?;
        let nanoseconds = text
            .split(' ')
            .nth(1)
            .ok_or("schedstat is of another kind")?;
        total += nanoseconds.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

/// Whether a third process waits for the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Third {
    Nobody,
    Lives,
    /// One after the other is killed at a random instant.
    Dies,
}

/// The measurement of one row of a table.
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
            Third::Nobody => None,
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
            // Not every time, since the read changes how the two processes interleave.
            if number % BETWEEN_LOOKS == 0 {
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
        // While the other end still exists, since the partner reports an error without it.
        self.partner.end();
        if let (Some(mut killer), Third::Dies) = (third, self.third) {
            drop(killer.input.take());
            self.kills = killer.hear()?.parse()?;
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
    stay_on(cpus.0)?;
    for third in [Third::Nobody, Third::Lives, Third::Dies] {
        println!(
            "\n{:<11} {:>10} {:>9} {:>12} {:>12} {:>12} {:>8}  {:>12}",
            match third {
                Third::Nobody => "two alone",
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

/// The shortest 30 of the times, in milliseconds and in order.
fn lengths(asleep: &[Duration]) -> String {
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
        lengths(&run.asleep)
    );
    Ok(())
}
