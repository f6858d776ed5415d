//! Operations that should need few system calls, or none, a thousand times between two signals, so that a test can count the calls.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use shm_core::sync::{
    Barrier, Broadcast, Event, LockError, Mutex, RecvTimeoutError, Ring, Semaphore, SeqLock,
};
use shm_core::{Shm, ShmLayout};

use super::{Answer, Failure, Words, other};
use crate::segments::SmallValue;
use crate::segments::versions::{V0, V2};

const TIMES: u32 = 1000;

#[derive(ShmLayout)]
#[repr(C)]
struct Roles {
    roles: [SeqLock<u64>; TIMES as usize + 1],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Locks {
    locks: [Mutex<u32>; TIMES as usize + 1],
}

/// Another participant of the same segment.
fn second_handle<T: ShmLayout>(shm: &Shm<T>) -> Result<Shm<T>, Failure> {
    let fd = shm.as_fd().try_clone_to_owned().map_err(other)?;
    Ok(T::from_fd(fd)?)
}

#[derive(ShmLayout)]
#[repr(C)]
struct Locked {
    value: u64,
    lock: Mutex<u64>,
}

/// One operation on a segment between two signals, after it has run once: `create`, `reserve` (which is `create` with pages
/// that are reserved), `attach`, `read`, `join`, `drop` (of the last owner), `leave` (of one of two owners) or `detach`.
fn on_segment<T: ShmLayout>(operation: &str, name: &str) -> Answer {
    fn between<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
        raise(Signal::SIGUSR1).map_err(other)?;
        let result = work();
        raise(Signal::SIGUSR1).map_err(other)?;
        Ok(result)
    }
    let create = || T::options().sparse(true).create(name);
    drop(create()?);
    match operation {
        "create" => drop(between(create)??),
        "reserve" => drop(between(|| T::options().create(name))??),
        "drop" => {
            let owner = create()?;
            between(|| drop(owner))?;
        }
        _ => {
            let _owner = create()?;
            drop(T::attach(name)?);
            match operation {
                "attach" => drop(between(|| T::attach(name))??),
                "read" => drop(between(|| T::attach_read_only(name))??),
                "join" => drop(between(|| T::open_or_create(name))??),
                "leave" => {
                    let second = T::open_or_create(name)?;
                    between(|| drop(second))?;
                }
                "detach" => {
                    let attached = T::attach(name)?;
                    between(|| drop(attached))?;
                }
                _ => return Err(other(format!("there is no operation `{operation}`"))),
            }
        }
    }
    Ok(String::new())
}

/// Attaches to a segment of an older version between two signals, after it has done so once.
fn announce(name: &str) -> Answer {
    let old = V0::create(name)?;
    drop(V2::attach(name)?);
    drop(old);
    let _old = V0::create(name)?;
    raise(Signal::SIGUSR1).map_err(other)?;
    let attached = V2::attach(name);
    raise(Signal::SIGUSR1).map_err(other)?;
    drop(attached?);
    Ok(String::new())
}

/// Runs so often between two signals, and once before, because the first run may differ.
fn between(mut work: impl FnMut() -> Result<(), Failure>) -> Answer {
    work()?;
    raise(Signal::SIGUSR1).map_err(other)?;
    for _ in 0..TIMES {
        work()?;
    }
    raise(Signal::SIGUSR1).map_err(other)?;
    Ok(String::new())
}

/// `calls OPERATION`, or `calls plain OPERATION NAME` or `calls locked OPERATION NAME` for one on a segment.
pub(super) fn obey(words: &mut Words<'_>) -> Answer {
    match words.next()? {
        "nothing" => between(|| Ok(())),
        // As long as a page.
        "plain" => on_segment::<[u64; 448]>(words.next()?, words.next()?),
        "locked" => on_segment::<Locked>(words.next()?, words.next()?),
        "grown" => on_segment::<V2>(words.next()?, words.next()?),
        "announce" => announce(words.next()?),
        "mutex" => {
            let shm = Mutex::<u64>::create_anonymous()?;
            between(|| {
                let guard = shm.lock().map_err(other)?;
                guard.set(guard.get() + 1);
                drop(guard);
                drop(shm.try_lock().map_err(other)?);
                drop(shm.lock_timeout(Duration::from_secs(1)).map_err(other)?);
                Ok(())
            })
        }
        "dead-roles" => {
            let shm = Roles::create_anonymous()?;
            let owner = second_handle(&shm)?;
            for role in &owner.roles {
                std::mem::forget(role.write().map_err(other)?);
            }
            // Its locks stay, as those of a dead process.
            drop(owner);
            let mut left = shm.roles.iter();
            between(|| match left.next() {
                Some(role) => role.store(1).map(drop).map_err(other),
                None => Err(other("there are too few")),
            })
        }
        "dead-locks" => {
            let shm = Locks::create_anonymous()?;
            for index in 0..shm.locks.len() {
                let owner = second_handle(&shm)?;
                std::mem::forget(owner.locks[index].lock().map_err(other)?);
            }
            let mut left = shm.locks.iter();
            between(|| match left.next().map(|lock| lock.lock()) {
                Some(Err(LockError::OwnerDied(_))) => Ok(()),
                _ => Err(other("no owner died")),
            })
        }
        how @ ("held-mutex" | "held-mutex-now") => {
            let shm = Mutex::<u64>::create_anonymous()?;
            let owner = second_handle(&shm)?;
            let _guard = owner.lock().map_err(other)?;
            let lock = || match how {
                "held-mutex" => shm.try_lock(),
                _ => shm.lock_timeout(Duration::ZERO),
            };
            between(|| match lock() {
                Ok(_) => Err(other("it is held")),
                Err(_) => Ok(()),
            })
        }
        "semaphore" => {
            let shm = Semaphore::create_anonymous()?;
            between(|| {
                shm.post_many(3).map_err(other)?;
                shm.wait();
                shm.wait_timeout(Duration::from_secs(1)).map_err(other)?;
                shm.try_wait().then_some(()).ok_or_else(|| other("none"))
            })
        }
        "event" => {
            let shm = Event::create_anonymous()?;
            between(|| {
                let seen = shm.generation();
                shm.notify_one();
                shm.notify_all();
                shm.wait_timeout(seen, Duration::from_secs(1))
                    .map_err(other)?;
                shm.wait_until_timeout(Duration::ZERO, || Some(()))
                    .map_err(other)?;
                Ok(())
            })
        }
        "barrier" => {
            let shm = Barrier::<1>::create_anonymous()?;
            let mut seat = shm.join()?;
            between(|| {
                let first = seat.wait()?.is_leader();
                let second = seat.wait_timeout(Duration::from_secs(1))?.is_leader();
                (first && second)
                    .then_some(())
                    .ok_or_else(|| other("who else?"))
            })
        }
        "seqlock" => {
            let shm = SeqLock::<SmallValue>::create_anonymous()?;
            between(|| {
                shm.store([1; 8]).map_err(other)?;
                shm.update(|value| value[0] = 2).map_err(other)?;
                let first = shm.read().map_err(other)?[0];
                let second = shm.read_with(|view| view[1].get()).map_err(other)?;
                (first == 2 && second == 1)
                    .then_some(())
                    .ok_or_else(|| other("another value"))
            })
        }
        "ring" => {
            let shm = Ring::<u64, 64>::create_anonymous()?;
            let mut sender = shm.sender().map_err(other)?;
            let mut receiver = shm.receiver().map_err(other)?;
            between(|| {
                sender.send(1).map_err(other)?;
                sender.send_slice(&[2; 9]).map_err(other)?;
                receiver.recv().map_err(other)?;
                receiver.recv_slice(&mut [0; 9]).map_err(other)?;
                Ok(())
            })
        }
        "waits" => {
            let shm = Ring::<u64, 64>::create_anonymous()?;
            let _sender = shm.sender().map_err(other)?;
            let mut receiver = shm.receiver().map_err(other)?;
            let mut wait = |timeout| match receiver.recv_timeout(timeout) {
                Err(RecvTimeoutError::Timeout) => Ok(()),
                _ => Err(other("the sender is there and sends nothing")),
            };
            // Long enough that it sleeps, however busy the machine is: its first barrier may be refused.
            wait(Duration::from_millis(100))?;
            between(|| wait(Duration::from_micros(100)))
        }
        "broadcast" => {
            let shm = Broadcast::<u64, 64>::create_anonymous()?;
            let mut sender = shm.sender().map_err(other)?;
            let mut receiver = shm.receiver();
            between(|| {
                sender.send(1).map_err(other)?;
                receiver.recv().map_err(other)?;
                Ok(())
            })
        }
        unknown => Err(other(format!("there is no operation `{unknown}`"))),
    }
}

impl From<shm_core::sync::BarrierError> for Failure {
    fn from(error: shm_core::sync::BarrierError) -> Self {
        other(error)
    }
}
