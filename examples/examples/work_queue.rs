//! Work that several processes share, of which any may be killed: every job is done, and reported once.
//!
//! ```text
//! cargo run --example work_queue [-- --worst]
//! ```
//!
//! This process is the producer. It asks how many primes there are below a million, in 10000 jobs, and starts three workers.
//! Each worker has a lane of its own: a `Ring` for its jobs and a `Ring` for its results. One worker is killed with SIGKILL
//! in the middle of its work. Another process takes its lane over, both ends, and goes on where the dead one has stopped;
//! nobody else notices.
//!
//! ```text
//! worker 1 is process 4712
//! worker 2 is process 4713
//! worker 3 is process 4714
//! worker 2, process 4713, was killed after 1199 jobs; the result of one more was sent, so the next worker skips that job
//! worker 2 is process 4717
//! 10000 jobs, each reported once, although worker 2 was killed and replaced
//! 78498 primes below 1000000, as there should be
//! ```
//!
//! Here the kill came at the worst moment: a result was sent, and its job not yet counted as received. Whoever did that job
//! again would report it twice. The new worker sees it by comparing the two counts. `--worst` makes sure that it is that
//! moment. At any other there is as many results as jobs, and the line ends behind the number.

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
use shm_core::sync::{Receiver, RecvError, Ring, TrySendError};
use shm_core::{Shm, ShmLayout};
use shm_examples::child::{Child, exit_code, role};

/// Count the primes from `from` up to `to`, without that.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Job {
    id: u64,
    from: u64,
    to: u64,
}

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Outcome {
    id: u64,
    primes: u64,
}

/// What a worker and the producer share. A ring has one process at each end.
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

// Threads hand errors to each other.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const WORKERS: usize = 3;
/// The one that is killed: the second.
const VICTIM: usize = 1;
const JOBS: u64 = 10_000;
const NUMBERS_A_JOB: u64 = 100;
/// A classic: the number of primes below a million.
const PRIMES: u64 = 78_498;
/// The victim is killed when so many of its results have come.
const RESULTS_BEFORE_THE_KILL: u64 = 1200;
/// A new process is up in milliseconds.
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
        _ => Err("a worker needs a lane; start this program without arguments".into()),
    }
}

fn producer(worst: bool) -> Result<()> {
    // Without a name: only processes that are handed the descriptor can come, and nothing is ever left behind.
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
        *times.ok_or("a result of a job that there was not")? += 1;
    }
    if let Some(id) = times.iter().position(|times| *times != 1) {
        return Err(format!("job {id} was reported {} times", times[id]).into());
    }
    let primes = produced.iter().flat_map(|lane| &lane.outcomes);
    let primes: u64 = primes.map(|outcome| outcome.primes).sum();
    if primes != PRIMES {
        return Err(format!("{primes} primes were found, and there are {PRIMES}").into());
    }
    if !produced[VICTIM].was_killed {
        return Err("the worker that was to be killed has lived".into());
    }
    let victim = VICTIM + 1;
    say(&format!(
        "{JOBS} jobs, each reported once, although worker {victim} was killed and replaced"
    ))?;
    let numbers = JOBS * NUMBERS_A_JOB;
    say(&format!(
        "{primes} primes below {numbers}, as there should be"
    ))
}

/// What came of a lane.
struct Produced {
    outcomes: Vec<Outcome>,
    /// Whether its worker was killed, and another has gone on.
    was_killed: bool,
}

/// Keeps one lane busy until its share of the jobs is done. Each lane has a thread, so none waits for another.
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
        // As many as there is room for. That the worker is dead is told below, and sending goes on when the next has come.
        todo = match jobs.try_send_slice(todo) {
            Ok(()) => &[],
            Err(TrySendError::Full(rest) | TrySendError::Disconnected(rest)) => rest,
        };
        match results.recv() {
            Ok(outcome) => {
                outcomes.push(outcome);
                let fatal = outcomes.len() as u64 == RESULTS_BEFORE_THE_KILL;
                if fatal && number == VICTIM && !worst {
                    worker.kill()?;
                }
            }
            // All that the worker has sent was received, and it is gone.
            Err(RecvError) => {
                let (id, status) = (worker.id(), worker.kill()?);
                if status.signal() != Some(Signal::SIGKILL as i32) {
                    return Err(format!("worker {} ended with {status}", number + 1).into());
                }
                was_killed = true;
                // A worker that was killed between the two steps has sent one result more.
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
    // Nothing more comes, which is what ends the worker.
    drop(jobs);
    worker.wait()?;
    Ok(Produced {
        outcomes,
        was_killed,
    })
}

/// Starts a worker for a lane, and waits until it has come: a ring whose worker has died is `Disconnected` until then.
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
        .map_err(|_| format!("worker {} did not come within {STARTING:?}", number + 1))?;
    say(&format!("worker {} is process {}", number + 1, worker.id()))?;
    Ok(worker)
}

/// `last`: the number of results after which to die at the worst moment, or 0.
fn worker(lane: usize, last: u64) -> Result<()> {
    let queue = Queue::from_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let lane = queue.lanes.get(lane).ok_or("there is no such lane")?;
    // The ends of a dead worker are free as soon as the kernel has taken it apart.
    let mut jobs = lane.jobs.receiver_timeout(STARTING)?;
    // Last, because this is what the producer waits for.
    let mut results = lane.results.sender_timeout(STARTING)?;
    // Each job gives one result. One more result than jobs: the worker before was killed between the two steps below, so
    // the first job here was reported already.
    if results.position() > jobs.position() {
        jobs.recv()?;
    }
    loop {
        // The job counts as received when this has returned; the result counts as sent when `send` has.
        let sent = jobs.recv_with(|job| {
            let sent = results.send(work(&job.load()));
            if results.position() == last {
                let _ = kill(getpid(), Signal::SIGKILL);
            }
            sent
        });
        match sent {
            Ok(sent) => sent?,
            // No jobs are left, and no more will come.
            Err(RecvError) => return Ok(()),
        }
    }
}

impl Job {
    fn new(id: u64) -> Self {
        let from = id * NUMBERS_A_JOB;
        let to = from + NUMBERS_A_JOB;
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
