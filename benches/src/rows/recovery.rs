//! What dead owners, contention and idle waiting cost.

use std::time::{Duration, Instant};

use shm_core::sync::{Event, LockError, Mutex, SeqLock};
use shm_core::{Shm, ShmLayout};

use crate::harness::{Bench, Measure, Result, Row, measured};
use crate::process::{Other, Usage, allow_many_files, listen, say, unique};

pub(super) const ROW: Row = Row::new(
    "recovery",
    "taking over from a process that died long ago or just now, contended locks, and idle waiters, with few and many participants",
    run,
)
.helper(helper);

/// The number of writer's roles that the dead process held.
const ROLES: usize = 500;
/// The work of a bystander with the lock, and then as much without it, in microseconds.
const WORK: &str = "10";

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Shared {
    roles: [SeqLock<u64>; ROLES],
    lock: Mutex<u64>,
    added: Mutex<[u64; 2]>,
    event: Event,
}

fn helper(words: &[&str]) -> Result<()> {
    match words {
        ["take", name] => take(name, true),
        ["hold", name] => take(name, false),
        ["add", name, work] => add(name, work.parse()?),
        _ => Err("wrong arguments".into()),
    }
}

/// Runs a process that takes the lock, and all roles too if `roles`, and keeps them until it is killed.
fn take(name: &str, roles: bool) -> Result<()> {
    let shm = Shared::attach(name)?;
    for role in shm.roles.iter().filter(|_| roles) {
        std::mem::forget(role.write()?);
    }
    std::mem::forget(shm.lock.lock_recover(|_| ())?);
    say("ready")?;
    listen()?;
    Ok(())
}

/// Runs a process that adds to two numbers under a lock, once its input has a line. It works for so many microseconds with the lock,
/// and as long without it.
fn add(name: &str, work: u64) -> Result<()> {
    let shm = Shared::attach(name)?;
    say("ready")?;
    if listen()?.is_empty() {
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

fn start(row: &str, arguments: &[&str]) -> Result<Other> {
    let mut other = Other::start(row, arguments, None)?;
    other.expect("ready")?;
    Ok(other)
}

fn run(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    allow_many_files()?;
    for count in bench
        .settings
        .count([1, 10, 100, 1000, 3000].as_slice(), &[1, 3])
    {
        let name = unique("recovery");
        let shm = Shared::create(&name)?;
        // This process is one of them.
        let _bystanders = (1..*count)
            .map(|_| start(row, &["add", &name, WORK]))
            .collect::<Result<Vec<Other>>>()?;
        dead(bench, &shm, &name, *count)?;
        killed(bench, &shm, &name, *count)?;
        contended(bench, &shm, &name, *count)?;
    }
    idle(bench)
}

/// The nanoseconds that it takes to get the lock of a dead owner, mark it consistent and release it.
fn take_over(shm: &Shm<Shared>) -> Result<f64> {
    let start = Instant::now();
    let Err(LockError::OwnerDied(mut guard)) = shm.lock.lock() else {
        return Err("the owner did not die with the lock".into());
    };
    guard.mark_consistent();
    drop(guard);
    Ok(start.elapsed().as_secs_f64() * 1e9)
}

/// The time to take a lock and many roles over from a process that was reaped before.
fn dead(bench: &mut Bench, shm: &Shm<Shared>, name: &str, count: usize) -> Result<()> {
    let row = bench.row();
    let turn = measured(move |_| {
        drop(start(row, &["take", name])?);
        let lock = take_over(shm)?;
        let start = Instant::now();
        for role in &shm.roles {
            drop(role.write()?);
        }
        Ok([lock, start.elapsed().as_secs_f64() * 1e9])
    });
    bench
        .case(format!("a dead owner, with {count} attached"))
        .metrics(&[("a lock", "ns"), ("500 writer's roles", "ns")])
        .rounds(9)
        .ours("take over", turn)
        .run()
}

/// The time to take a lock over from a process that was sent its kill just before.
fn killed(bench: &mut Bench, shm: &Shm<Shared>, name: &str, count: usize) -> Result<()> {
    let row = bench.row();
    let turn = measured(move |_| {
        let mut owner = start(row, &["hold", name])?;
        owner.kill()?;
        take_over(shm)
    });
    bench
        .case(format!(
            "an owner that is killed at that moment, with {count} attached"
        ))
        .rounds(9)
        .ours("a lock", turn)
        .run()
}

/// The time of an addition under a lock for which processes contend.
fn contended(bench: &mut Bench, shm: &Shm<Shared>, name: &str, count: usize) -> Result<()> {
    let row = bench.row();
    let turn = |adders: usize, work: &'static str| -> Measure<'_> {
        measured(move |settings| {
            let mut adders = (0..adders)
                .map(|_| start(row, &["add", name, work]))
                .collect::<Result<Vec<Other>>>()?;
            for adder in &mut adders {
                adder.tell("go")?;
            }
            let done = || shm.added.unlocked()[0].get();
            let (start, before) = (Instant::now(), done());
            let time = settings.count(Duration::from_secs(1), Duration::from_millis(50));
            while start.elapsed() < time || done() == before {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(start.elapsed().as_secs_f64() * 1e9 / (done() - before) as f64)
        })
    };
    bench
        .case(format!(
            "an addition under a contended lock, with {count} attached"
        ))
        .rounds(5)
        .ours("8 processes add", turn(8, "0"))
        .ours("3 processes work 10 µs with the lock", turn(3, WORK))
        .run()
}

/// How often waiters wake that have nothing to do.
fn idle(bench: &mut Bench) -> Result<()> {
    let waiters = 50;
    let steps = bench.settings.count(10, 2);
    let step = bench
        .settings
        .count(Duration::from_secs(4), Duration::from_millis(100));
    let shm = Shared::create_anonymous()?;
    let _guard = shm.lock.lock_recover(|_| ())?;
    std::thread::scope(|scope| {
        for _ in 0..waiters {
            scope.spawn(|| {
                shm.event
                    .wait_timeout(shm.event.generation(), step * (steps + 1))
            });
        }
        for number in 0..steps {
            bench
                .case(format!(
                    "{waiters} idle waiters, after {:.1} s",
                    (step * number).as_secs_f64()
                ))
                .metrics(&[
                    ("wakes a second", "wakes"),
                    ("processor time a second", "ns"),
                ])
                .rounds(1)
                .ours(
                    "Event::wait_timeout",
                    measured(|_| {
                        let before = Usage::own()?;
                        std::thread::sleep(step);
                        let used = Usage::own()?.since(before);
                        let seconds = step.as_secs_f64();
                        Ok([
                            used.sleeps as f64 / seconds,
                            used.processor.as_secs_f64() * 1e9 / seconds,
                        ])
                    }),
                )
                .run()?;
        }
        Ok(())
    })
}
