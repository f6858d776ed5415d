//! What many attached processes cost, and how soon a dead owner's lock is free.

use std::ffi::CString;
use std::hint::black_box;
use std::num::NonZero;
use std::time::{Duration, Instant};

use shm_core::sync::{LockError, Mutex};
use shm_core::{Shm, ShmLayout};

use crate::harness::{Bench, Measure, Result, Row, Sample, calls, measured};
use crate::peers::posix;
use crate::peers::raw::{self, Memory};
use crate::process::{Other, allow_many_files, listen, say, unique};

pub(super) const ROW: Row = Row::new(
    "participants",
    "attaching, and a failed `try_lock`, while many processes are attached",
    run,
)
.helper(helper);
pub(super) const DEATH: Row = Row::new(
    "owner-death",
    "from the kill of a lock's owner until a process that waits has the lock, beside a robust pthread mutex",
    death,
)
.helper(helper);

const PAGE: NonZero<usize> = NonZero::new(4096).unwrap();

#[derive(ShmLayout)]
#[repr(C)]
struct Locked {
    value: u64,
    lock: Mutex<u64>,
}

fn helper(words: &[&str]) -> Result<()> {
    match words {
        ["attach", plain, locked] => {
            let _plain = u64::attach(plain)?;
            let _locked = Locked::attach(locked)?;
            say("ready")?;
            listen()?;
        }
        ["hold", "Mutex", name] => {
            let shm = Locked::attach(name)?;
            let guard = match shm.lock.lock() {
                Ok(guard) | Err(LockError::OwnerDied(guard)) => guard,
                Err(error) => return Err(error.to_string().into()),
            };
            say("held")?;
            listen()?;
            drop(guard);
        }
        ["hold", "pthread", name] => {
            let mutex = posix::Mutex::existing(Memory::open(name)?);
            mutex.lock();
            say("held")?;
            listen()?;
        }
        _ => return Err("wrong arguments".into()),
    }
    Ok(())
}

fn run(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    allow_many_files()?;
    let (plain_name, locked_name) = (unique("plain"), unique("locked"));
    let _plain = u64::create(&plain_name)?;
    let locked = Locked::create(&locked_name)?;
    let raw_name = CString::new(plain_name.as_str())?;
    let mut others = Vec::new();
    for count in bench
        .settings
        .count([1, 10, 100, 256, 1000, 3000].as_slice(), &[1, 4])
    {
        // This process is one of them.
        while others.len() + 1 < *count {
            let mut other = Other::start(row, &["attach", &plain_name, &locked_name], None)?;
            other.expect("ready")?;
            others.push(other);
        }
        let raw = || {
            black_box(raw::attach_and_detach(&raw_name, PAGE).expect("the segment exists"));
        };
        let plain = || {
            black_box(u64::attach(&plain_name).expect("the segment exists").get());
        };
        let with_lock = || {
            let shm = Locked::attach(&locked_name).expect("the segment exists");
            black_box(shm.value.get());
        };
        bench
            .case(format!("attach, with {count} attached"))
            .rounds(31)
            .limit("open, fstat, mmap, munmap, close", calls(raw))
            .ours("attach", calls(plain))
            .target_if((*count == 256).then_some(1.3))
            .ours("attach with a Mutex", calls(with_lock))
            .target_if((*count == 256).then_some(2.5))
            .run()?;
        let mut owner = Other::start(row, &["hold", "Mutex", &locked_name], None)?;
        owner.expect("held")?;
        bench
            .case(format!("a failed try_lock, with {count} attached"))
            .rounds(31)
            .ours(
                "Mutex",
                calls(|| _ = black_box(locked.lock.try_lock().is_err())),
            )
            .run()?;
        owner.tell("release")?;
        owner.wait()?;
        bench
            .case(format!("the death of an owner, with {count} attached"))
            .rounds(51)
            .ours("Mutex", deaths(row, &locked, &locked_name))
            .run()?;
    }
    Ok(())
}

/// Kills the owner while `lock` waits, at a moment that depends on `round`. Returns nanoseconds from the kill on.
fn kill_owner(
    mut owner: Other,
    round: u64,
    lock: impl FnOnce() -> Result<(), String> + Send,
) -> Result<Sample> {
    owner.expect("held")?;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| lock().map(|()| Instant::now()));
        // Long enough for the waiter to reach any length of its sleep slices, and any moment of a slice.
        std::thread::sleep(Duration::from_micros(20_000 + round * 7_919 % 200_000));
        let killed = Instant::now();
        owner.kill()?;
        let locked = waiter.join().map_err(|_| "the waiter panicked")??;
        let time = locked.saturating_duration_since(killed).as_secs_f64() * 1e9;
        Ok(Sample {
            values: vec![time],
            singles: vec![time],
        })
    })
}

/// Turns in which the owner of the `Mutex` is killed.
fn deaths<'c>(row: &'static str, shm: &'c Shm<Locked>, name: &'c str) -> Measure<'c> {
    let mut round = 0;
    measured(move |_| {
        round += 1;
        let owner = Other::start(row, &["hold", "Mutex", name], None)?;
        kill_owner(owner, round, || match shm.lock.lock() {
            Err(LockError::OwnerDied(mut guard)) => {
                guard.mark_consistent();
                Ok(())
            }
            other => Err(format!("{other:?} instead of OwnerDied")),
        })
    })
}

fn death(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    let name = unique("death");
    let shm = Locked::create(&name)?;
    let pthread_name = format!("{name}-pthread");
    let robust = posix::Mutex::new(Memory::create(&pthread_name)?, true)?;
    let mut round = 0;
    let pthread = measured(|_| {
        round += 1;
        let owner = Other::start(row, &["hold", "pthread", &pthread_name], None)?;
        kill_owner(owner, round, || match robust.lock() {
            nix::libc::EOWNERDEAD => {
                robust.make_consistent();
                Ok(())
            }
            code => Err(format!("{code} instead of EOWNERDEAD")),
        })
    });
    bench
        .case("one waiter")
        .rounds(51)
        .limit("pthread mutex, robust", pthread)
        .ours("Mutex", deaths(row, &shm, &name))
        .cannot(
            "Boost interprocess_mutex, raw_sync Mutex",
            "their waiters hang when the owner dies",
        )
        .run()
}
