//! Distributes jobs to worker processes, any of which may be killed: every job is done and reported exactly once.
//!
//! ```text
//! cargo run --example work_queue [-- --worst]
//! ```
//!
//! This process is the producer. It counts the primes below a million, in 10000 jobs, with three workers. Each worker has a
//! lane: a `Ring` for its jobs and a `Ring` for its results. One worker is killed with SIGKILL in the middle of its work.
//! A new process takes over both ends of its lane and continues where it stopped; the other workers are not affected.
//!
//! ```text
//! worker 1 is process 4712
//! worker 2 is process 4713
//! worker 3 is process 4714
//! worker 2, process 4713, was killed after 1199 jobs; the result of one more was sent, so the next worker skips that job
//! worker 2 is process 4717
//! 10000 jobs, each reported once, although worker 2 was killed and replaced
//! 78498 primes below 1000000, as expected
//! ```
//!
//! Here the kill came at the worst moment: the result had been sent, but its job was not yet counted as received. Doing that
//! job again would report it twice. The new worker detects this by comparing the two counts, and skips the job. `--worst`
//! forces that moment. At any other, there are as many results as jobs, and the line ends after the number of jobs.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use shm_core::sync::{Receiver, RecvError, Ring};
use shm_core::{Shm, ShmLayout};
use shm_examples::child::{Child, exit_code, role};

/// A request to count the primes in `from..to`.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Job {
    id: u64,
    from: u64,
    to: u64,
}

/// The result of a job.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Outcome {
    id: u64,
    primes: u64,
}

/// The rings between the producer and one worker. A ring has one process at each end.
#[derive(Debug, ShmLayout)]
#[repr(C)]
struct Lane {
    jobs: Ring<Job, 64>,
    results: Ring<Outcome, 64>,
}

#[derive(Debug, ShmLayout)]
#[repr(C)]
struct Queue {
    lanes: [Lane; WORKERS],
}

// `Send` and `Sync`, because threads return it.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const WORKERS: usize = 3;
/// The index of the worker that is killed.
const VICTIM: usize = 1;
const JOBS: u64 = 10_000;
const NUMBERS_PER_JOB: u64 = 100;
/// The number of primes below a million.
const PRIMES: u64 = 78_498;
/// The victim is killed after the producer has received this many of its results.
const RESULTS_BEFORE_THE_KILL: u64 = 1200;
/// How long to wait for a process that is starting, which takes milliseconds.
const STARTING: Duration = Duration::from_secs(10);

pub(crate) fn main() -> ExitCode {
    exit_code(run().map_err(|error| error as Box<dyn Error>))
}

fn run() -> Result<()> {
    let Some((_, args)) = role()? else {
        return producer(std::env::args().any(|arg| arg == "--worst"));
    };
    match args.as_slice() {
        [lane, last] => worker(lane.parse()?, last.parse()?),
        _ => Err("a worker needs a lane number; start this program without arguments".into()),
    }
}

fn producer(worst: bool) -> Result<()> {
    // Anonymous: only processes that get the descriptor can attach, and nothing is left behind.
    let queue = &Queue::create_anonymous()?;
    let produced = thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS)
            .map(|lane| scope.spawn(move || produce(queue, lane, worst)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|produced| produced.map_err(|_| "a thread of the producer panicked")?)
            .collect::<Result<Vec<_>>>()
    })?;

    let mut times = vec![0_u32; JOBS as usize];
    for outcome in produced.iter().flat_map(|lane| &lane.outcomes) {
        let times = times.get_mut(outcome.id as usize);
        *times.ok_or("a result has an unknown job id")? += 1;
    }
    if let Some(id) = times.iter().position(|times| *times != 1) {
        return Err(format!("job {id} was reported {} times", times[id]).into());
    }
    let primes = produced.iter().flat_map(|lane| &lane.outcomes);
    let primes: u64 = primes.map(|outcome| outcome.primes).sum();
    if primes != PRIMES {
        return Err(format!("found {primes} primes instead of {PRIMES}").into());
    }
    if !produced[VICTIM].was_killed {
        return Err("no worker was killed".into());
    }
    let victim = VICTIM + 1;
    say(&format!(
        "{JOBS} jobs, each reported once, although worker {victim} was killed and replaced"
    ))?;
    let numbers = JOBS * NUMBERS_PER_JOB;
    say(&format!("{primes} primes below {numbers}, as expected"))
}

/// What the producer received from a lane.
struct Produced {
    outcomes: Vec<Outcome>,
    /// Whether its worker was killed and replaced.
    was_killed: bool,
}

/// Feeds one lane until its share of the jobs is done. Each lane has a thread, so no lane waits for another.
fn produce(queue: &Shm<Queue>, number: usize, worst: bool) -> Result<Produced> {
    let lane = &queue.lanes[number];
    let mut jobs = lane.jobs.sender()?;
    let mut results = lane.results.receiver()?;
    let share: Vec<Job> = (number as u64..JOBS)
        .step_by(WORKERS)
        .map(Job::new)
        .collect();
    let mut todo = share.as_slice();
    let mut was_killed = false;
    let mut outcomes = Vec::with_capacity(share.len());
    let mut worker = start(queue, number, &results, worst && number == VICTIM)?;
    while outcomes.len() < share.len() {
        // Sends as many jobs as fit. A dead worker is handled below; sending continues once a new worker has attached.
        todo = match jobs.try_send_slice(todo) {
            Ok(()) => &[],
            Err(error) => error.into_inner(),
        };
        match results.recv() {
            Ok(outcome) => {
                outcomes.push(outcome);
                let fatal = outcomes.len() as u64 == RESULTS_BEFORE_THE_KILL;
                if fatal && number == VICTIM && !worst {
                    worker.kill()?;
                }
            }
            // The worker is gone, and all its results have been received.
            Err(RecvError) => {
                let (id, status) = (worker.id(), worker.kill()?);
                if status.signal() != Some(Signal::SIGKILL as i32) {
                    return Err(format!("worker {} ended with {status}", number + 1).into());
                }
                was_killed = true;
                // A worker killed between the two steps of `worker` has sent one more result.
                let (done, sent) = (lane.jobs.received(), results.position());
                let one_more = if sent > done {
                    "; the result of one more was sent, so the next worker skips that job"
                } else {
                    ""
                };
                say(&format!(
                    "worker {}, process {id}, was killed after {done} jobs{one_more}",
                    number + 1,
                ))?;
                worker = start(queue, number, &results, false)?;
            }
        }
    }
    // Disconnects the worker, which then ends.
    drop(jobs);
    worker.wait()?;
    Ok(Produced {
        outcomes,
        was_killed,
    })
}

/// Starts a worker for a lane, and waits until it is connected: until then the rings of a dead worker are `Disconnected`.
fn start(
    queue: &Shm<Queue>,
    number: usize,
    results: &Receiver<'_, Outcome, 64>,
    worst: bool,
) -> Result<Child> {
    let descriptor = queue.as_fd().try_clone_to_owned()?;
    let last = if worst { RESULTS_BEFORE_THE_KILL } else { 0 };
    let args = [number.to_string(), last.to_string()];
    let worker = Child::start(
        "worker",
        &args.each_ref().map(String::as_str),
        descriptor.into(),
    )?;
    results
        .wait_for_sender_timeout(STARTING)
        .map_err(|_| format!("worker {} did not connect within {STARTING:?}", number + 1))?;
    say(&format!("worker {} is process {}", number + 1, worker.id()))?;
    Ok(worker)
}

/// Does the jobs of a lane. If `last` is not 0, the process kills itself at the worst moment after that many results.
fn worker(lane: usize, last: u64) -> Result<()> {
    let queue = Queue::from_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let lane = queue
        .lanes
        .get(lane)
        .ok_or("the lane number is too large")?;
    // The ends of a killed worker become free once the kernel has torn the process down.
    let mut jobs = lane.jobs.receiver_timeout(STARTING)?;
    // Claimed last, because the producer waits for this end.
    let mut results = lane.results.sender_timeout(STARTING)?;
    // Each job has one result. If there is one more result than jobs, the previous worker was killed between the two steps
    // below, and has already reported the first job here.
    if results.position() > jobs.position() {
        jobs.recv()?;
    }
    loop {
        // Step 1: `send` returns, and the result counts as sent. Step 2: `recv_with` returns, and the job counts as received.
        let sent = jobs.recv_with(|job, _| {
            let sent = results.send(work(&job.load()));
            if results.position() == last {
                let _ = kill(getpid(), Signal::SIGKILL);
            }
            sent
        });
        match sent {
            Ok(sent) => sent?,
            // No jobs are left, and the producer sends no more.
            Err(RecvError) => return Ok(()),
        }
    }
}

impl Job {
    fn new(id: u64) -> Self {
        let from = id * NUMBERS_PER_JOB;
        let to = from + NUMBERS_PER_JOB;
        Self { id, from, to }
    }
}

fn work(job: &Job) -> Outcome {
    let is_prime = |n: &u64| {
        *n >= 2
            && (2..)
                .take_while(|d| d * d <= *n)
                .all(|d| !n.is_multiple_of(d))
    };
    let primes = (job.from..job.to).filter(is_prime).count() as u64;
    Outcome { id: job.id, primes }
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
