//! Second processes, processors and what they used.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::harness::Result;

/// The first argument of a second process.
pub(crate) const HELPER: &str = "--helper";

/// The environment variable with the number of the run.
const RUN: &str = "SHM_BENCHES_RUN";

/// A number that the first process and all of its second ones have in common.
pub(crate) fn run_number() -> String {
    std::env::var(RUN).unwrap_or_else(|_| std::process::id().to_string())
}

/// A second process: this program as a helper of a row. Dropping it kills the process and collects it.
pub(crate) struct Other {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Other {
    /// Starts the helper of `row`, on a processor if one is given.
    pub(crate) fn start(row: &str, arguments: &[&str], processor: Option<usize>) -> Result<Self> {
        Self::start_program(&std::env::current_exe()?, row, arguments, processor)
    }

    /// The same with another build of this program.
    pub(crate) fn start_program(
        program: &Path,
        row: &str,
        arguments: &[&str],
        processor: Option<usize>,
    ) -> Result<Self> {
        let processor = processor.map_or_else(|| "any".to_owned(), |number| number.to_string());
        let mut child = Command::new(program)
            .args([HELPER, row, &processor])
            .env(RUN, run_number())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child,
            input,
            output: BufReader::new(output.ok_or("no output")?),
        })
    }

    /// The next line that the process prints.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            return Err(format!("the second process ended early: {status}").into());
        }
        Ok(line.trim().to_owned())
    }

    /// Waits until the process prints `expected`.
    pub(crate) fn expect(&mut self, expected: &str) -> Result<()> {
        match self.line()? {
            line if line == expected => Ok(()),
            line => Err(format!("the second process says `{line}` instead of `{expected}`").into()),
        }
    }

    /// Sends a line.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("no input")?;
        writeln!(input, "{line}")?;
        Ok(input.flush()?)
    }

    /// Sends a line, and returns the number that the process answers.
    pub(crate) fn ask(&mut self, line: &str) -> Result<f64> {
        self.tell(line)?;
        let answer = self.line()?;
        Ok(answer.parse().map_err(|_| answer)?)
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill()?)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints a line for the first process.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

/// Waits until the first process sends a line or closes the pipe.
pub(crate) fn listen() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// A name that no other call in no other process returns.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("/bench-{what}-{}-{number}", std::process::id())
}

/// The processors that this process may use, in order.
pub(crate) fn processors() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    let all = 0..CpuSet::count();
    Ok(all
        .filter(|&number| set.is_set(number).unwrap_or(false))
        .collect())
}

/// Two processors for two ends: different ones where there are two.
pub(crate) fn two_processors() -> Result<[usize; 2]> {
    match *processors()?.as_slice() {
        [first, second, ..] => Ok([first, second]),
        [only] => Ok([only, only]),
        [] => Err("no processor".into()),
    }
}

/// Allows as many open files as the system does.
pub(crate) fn allow_many_files() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Keeps the calling thread on a processor. Dropping it undoes that.
pub(crate) struct Pinned(CpuSet);

impl Pinned {
    pub(crate) fn to(processor: usize) -> Result<Self> {
        let before = sched_getaffinity(Pid::from_raw(0))?;
        let mut set = CpuSet::new();
        set.set(processor)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
        Ok(Self(before))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) processor: Duration,
    /// How often it gave up its processor to wait.
    pub(crate) sleeps: i64,
}

impl Usage {
    /// The calling thread.
    pub(crate) fn thread() -> Result<Self> {
        Self::of(UsageWho::RUSAGE_THREAD, ClockId::CLOCK_THREAD_CPUTIME_ID)
    }

    /// This process, with all of its threads.
    pub(crate) fn own() -> Result<Self> {
        Self::of(UsageWho::RUSAGE_SELF, ClockId::CLOCK_PROCESS_CPUTIME_ID)
    }

    fn of(who: UsageWho, clock: ClockId) -> Result<Self> {
        // `getrusage` has the processor time as of the last tick only.
        Ok(Self {
            processor: clock_gettime(clock)?.into(),
            sleeps: getrusage(who)?.voluntary_context_switches(),
        })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            processor: self.processor.saturating_sub(before.processor),
            sleeps: self.sleeps - before.sleeps,
        }
    }
}

/// The user and system time of all children that have ended.
pub(crate) fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |time: TimeVal| {
        let seconds = Duration::from_secs(time.tv_sec().unsigned_abs());
        seconds + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}
