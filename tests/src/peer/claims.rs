//! Commands that lock, and that change what a lock owner depends on.

use std::fs::{File, read_to_string};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use shm_core::sync::{LockError, MutexGuard};
use shm_core::{Shm, ShmLayout};

use super::{Answer, Failure, Program, Words, other};
use crate::lock_bytes;
use crate::names::Names;
use crate::segments::{Guarded, Pair};

type Guard = MutexGuard<'static, Pair>;

/// The segment and the guard on its lock.
pub(super) struct Claims {
    /// Never dropped, so that a guard can be kept next to it.
    shm: &'static Shm<Guarded>,
    guard: Option<Guard>,
}

impl Claims {
    /// Locks, and returns the result and how many microseconds it took.
    fn lock(&mut self, how: &str) -> Answer {
        let lock = &self.shm.lock;
        let start = Instant::now();
        let locked = match how {
            "forever" => lock.lock(),
            "try" => lock.try_lock(),
            millis => lock.lock_timeout(Duration::from_millis(millis.parse().map_err(other)?)),
        };
        let (word, guard) = match locked {
            Ok(guard) => ("held", Some(guard)),
            Err(LockError::OwnerDied(guard)) => ("died", Some(guard)),
            Err(LockError::TimedOut(_)) => ("timed-out", None),
            Err(LockError::WouldBlock(_)) => ("would-block", None),
            Err(LockError::WouldDeadlock) => ("would-deadlock", None),
            Err(LockError::Unregistered(error)) => return Err(Failure::Shm(*error)),
            Err(error) => return Err(other(error)),
        };
        if guard.is_some() {
            self.guard = guard;
        }
        Ok(format!("{word} {}", start.elapsed().as_micros()))
    }
}

impl Program {
    fn claims(&mut self) -> Result<&mut Claims, Failure> {
        self.claims
            .as_mut()
            .ok_or_else(|| other("nothing is attached"))
    }

    /// `claims create NAME`, `claims attach NAME [TIMEOUT]`, `claims lock forever|try|MILLISECONDS`, and so on.
    pub(super) fn obey_claims(&mut self, words: &mut Words<'_>) -> Answer {
        match words.next()? {
            "attach" => {
                let name = words.next()?;
                let timeout = words.number().unwrap_or(1000);
                let options = Guarded::options().timeout(Duration::from_millis(timeout));
                let shm = Box::leak(Box::new(options.attach(name)?));
                self.claims = Some(Claims { shm, guard: None });
                Ok(String::new())
            }
            "read" => {
                let shm = Guarded::attach_read_only(words.next()?)?;
                Ok(shm.mapped_len().to_string())
            }
            "join" => {
                let (name, timeout) = (words.next()?, words.number().unwrap_or(1000));
                let options = Guarded::options().timeout(Duration::from_millis(timeout));
                // Dropped again, as by a program that exits normally.
                Ok(options
                    .open_or_create(name)?
                    .rounds
                    .load(Acquire)
                    .to_string())
            }
            "create" => {
                let shm = Box::leak(Box::new(Guarded::create(words.next()?)?));
                self.claims = Some(Claims { shm, guard: None });
                Ok(String::new())
            }
            "anonymous" => {
                let mode = u32::from_str_radix(words.next()?, 8).map_err(other)?;
                let made = Guarded::options().mode(mode).create_anonymous()?;
                let shm = Box::leak(Box::new(made));
                self.claims = Some(Claims { shm, guard: None });
                Ok(String::new())
            }
            "from-fd" => {
                let fd = self.claims()?.shm.as_fd().try_clone_to_owned();
                drop(Guarded::from_fd(fd.map_err(other)?)?);
                Ok(String::new())
            }
            "take-part" => {
                self.claims()?.shm.take_part()?;
                Ok(String::new())
            }
            "lock" => {
                let how = words.next()?.to_owned();
                self.claims()?.lock(&how)
            }
            "unlock" => {
                self.claims()?.guard = None;
                Ok(String::new())
            }
            "consistent" => {
                let guard = self.claims()?.guard.as_mut();
                guard.ok_or_else(|| other("not locked"))?.mark_consistent();
                Ok(String::new())
            }
            "loop" => {
                let shm = self.claims()?.shm;
                let patient = words.next()? == "forever";
                println!("looping");
                repeat(shm, patient);
                Ok(String::new())
            }
            "add" => {
                let count: u64 = words.number()?;
                let shm = self.claims()?.shm;
                let mut longest = Duration::ZERO;
                for _ in 0..count {
                    let start = Instant::now();
                    let guard = shm.lock.lock().map_err(other)?;
                    longest = longest.max(start.elapsed());
                    guard.count.set(guard.count.get() + 1);
                    guard.twin.set(guard.twin.get() + 1);
                }
                Ok(longest.as_micros().to_string())
            }
            "fork-attach" => {
                let (name, claims) = (words.next()?, self.claims()?);
                super::process::in_child(|| i32::from(!both(claims.shm, name)))
            }
            "round" => {
                let way = words.next()?;
                let claims = self.claims()?;
                let held = if way == "unlock" {
                    claims.guard.take()
                } else {
                    None
                };
                super::rounds::mutex::round(claims.shm, held, way)
            }
            "exec" => {
                println!("executing");
                // It exits when its input ends, as this program does.
                Err(other(Command::new("cat").exec()))
            }
            "replace-descriptor" => {
                let file = File::options().read(true).write(true).open(words.next()?);
                let file = file.map_err(other)?;
                let shm = self.claims()?.shm;
                // SAFETY: the handle is leaked, so its descriptor is never closed. Replacing it is what the test is about.
                match unsafe { libc::dup2(file.as_raw_fd(), shm.as_fd().as_raw_fd()) } {
                    -1 => Err(other(std::io::Error::last_os_error())),
                    _ => Ok(String::new()),
                }
            }
            "close-descriptor" => {
                let shm = self.claims()?.shm;
                // SAFETY: the handle is leaked, so it never uses the number again. Closing it is what the test is about.
                match unsafe { libc::close(shm.as_fd().as_raw_fd()) } {
                    -1 => Err(other(std::io::Error::last_os_error())),
                    _ => Ok(String::new()),
                }
            }
            "fork-threads" => {
                let claims = self.claims()?;
                super::process::in_child(|| i32::from(!lock_at_once(claims.shm)))
            }
            "fork-drop" => fork_drop(words.next()?),
            "pin-ids" => {
                let (name, first, count) = (words.next()?, words.number()?, words.number()?);
                self.pins
                    .push(lock_bytes::pin_range(name, first, count).map_err(other)?);
                Ok(String::new())
            }
            "timer" => timer(100),
            "fork-unlock" => {
                let claims = self.claims()?;
                super::process::in_child(|| {
                    claims.guard = None;
                    0
                })
            }
            "fork-relock" => {
                let claims = self.claims()?;
                super::process::in_child(|| i32::from(!relock(claims)))
            }
            "fork-storm" => {
                let name = words.next()?;
                storm(name, words.number()?)
            }
            unknown => Err(other(format!("there is no command `claims {unknown}`"))),
        }
    }
}

/// As a fork child, waits for the lock that its parent's thread holds, with the inherited guard and without it.
fn relock(claims: &mut Claims) -> bool {
    let lock = &claims.shm.lock;
    let waits = || {
        matches!(
            lock.lock_timeout(Duration::ZERO),
            Err(LockError::TimedOut(_))
        )
    };
    let with_guard = waits();
    claims.guard = None;
    with_guard && waits()
}

/// As a fork child, locks an inherited segment and one that it attached to.
fn both(inherited: &Shm<Guarded>, name: &str) -> bool {
    let Ok(own) = Guarded::attach(name) else {
        return false;
    };
    // In the same address window, one would use the other's id.
    let apart = own.as_ptr().addr() >> 30 != inherited.as_ptr().addr() >> 30;
    let held = [own.lock.try_lock(), inherited.lock.try_lock()];
    apart && held.iter().all(Result::is_ok)
}

/// Locks on several threads at once.
fn lock_at_once(shm: &Shm<Guarded>) -> bool {
    const THREADS: usize = 4;
    let barrier = Barrier::new(THREADS);
    let lock = || {
        barrier.wait();
        shm.lock.lock().is_ok()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(lock)).collect();
        threads
            .into_iter()
            .all(|thread| thread.join().is_ok_and(|locked| locked))
    })
}

/// Attaches, and drops the handle in a fork child that has a mapping of its own where its parent has the one that keeps its
/// lock.
fn fork_drop(name: &str) -> Answer {
    let shm = Guarded::attach(name)?;
    let maps = read_to_string("/proc/self/maps").map_err(other)?;
    // An inaccessible page of the segment's file.
    let token = maps
        .lines()
        .find(|line| {
            line.contains(" ---p ") && line.contains(&*Names::path(name).to_string_lossy())
        })
        .and_then(|line| line.split_once('-'))
        .ok_or_else(|| other("there is no such page"))?;
    let address = usize::from_str_radix(token.0, 16).map_err(other)?;
    super::process::in_child(move || {
        const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
        // SAFETY: the kernel maps the page only if the address is free.
        let page = unsafe { mmap_anonymous(NonZeroUsize::new(address), PAGE, protection, flags) };
        let Ok(page) = page else { return 1 };
        // SAFETY: just mapped, and used by nothing else.
        let word = unsafe { AtomicU32::from_ptr(page.as_ptr().cast()) };
        word.store(7, Release);
        drop(shm);
        i32::from(word.load(Acquire) != 7)
    })
}

/// Locks and unlocks until `stop` is set, and checks that it is alone. If `patient`, it only waits for the lock; otherwise
/// it also tries, and gives up.
fn repeat(shm: &Shm<Guarded>, patient: bool) {
    static TURN: AtomicU32 = AtomicU32::new(0);
    while shm.stop.load(Acquire) == 0 {
        let turn = TURN.fetch_add(1, AcqRel);
        let me = (u64::from(std::process::id()) << 32) | (u64::from(turn) + 1);
        let locked = match turn % 3 {
            _ if patient => shm.lock.lock(),
            0 => shm.lock.lock(),
            1 => shm.lock.lock_timeout(Duration::from_millis(3)),
            _ => shm.lock.try_lock(),
        };
        match locked {
            Ok(guard) => {
                if guard.holder.get() != 0 {
                    // The previous holder neither unlocked nor died.
                    shm.doubles.fetch_add(1, AcqRel);
                }
                if guard.count.get() != guard.twin.get() {
                    shm.torn.fetch_add(1, AcqRel);
                }
                work(&guard, me, shm);
            }
            Err(LockError::OwnerDied(mut guard)) => {
                guard.twin.set(guard.count.get());
                guard.mark_consistent();
                shm.died.fetch_add(1, AcqRel);
                work(&guard, me, shm);
            }
            Err(LockError::TimedOut(_) | LockError::WouldBlock(_)) => {}
            Err(error) => {
                eprintln!("{error}");
                shm.failed.fetch_add(1, AcqRel);
            }
        }
    }
}

/// An owner's work: long enough to be killed in the middle, and for a second owner to be noticed.
fn work(pair: &MutexGuard<'_, Pair>, me: u64, shm: &Shm<Guarded>) {
    pair.holder.set(me);
    let count = pair.count.get() + 1;
    pair.count.set(count);
    for _ in 0..500 {
        if pair.holder.get() != me {
            shm.doubles.fetch_add(1, AcqRel);
            return;
        }
        std::hint::spin_loop();
    }
    pair.twin.set(count);
    pair.holder.set(0);
    shm.rounds.fetch_add(1, AcqRel);
}

/// Interrupts this process at this interval of microseconds from now on, before any sleep of the library ends.
pub(super) fn timer(micros: libc::suseconds_t) -> Answer {
    extern "C" fn nothing(_: i32) {}
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGALRM, &action) }.map_err(other)?;
    let tick = libc::timeval {
        tv_sec: 0,
        tv_usec: micros,
    };
    let every = libc::itimerval {
        it_interval: tick,
        it_value: tick,
    };
    // SAFETY: both arguments are valid; no old value is requested.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const every, std::ptr::null_mut()) } {
        0 => Ok(String::new()),
        _ => Err(other(std::io::Error::last_os_error())),
    }
}

/// `fork-storm NAME ROUNDS`: threads attach to a segment and drop the handle with its lock held, over and over, while
/// another thread forks children that stay. The others must see each dropped owner as dead, whatever the children inherited;
/// and each child participates by itself, whatever lock another thread of its parent held.
fn storm(name: &str, rounds: u32) -> Answer {
    const THREADS: usize = 3;
    let stop = AtomicBool::new(false);
    let observer = Guarded::attach(name)?;
    let result = std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..THREADS {
            workers.push(scope.spawn(|| {
                let mut left = 0_u32;
                while !stop.load(Acquire) {
                    // A separate segment, so that no other thread is involved.
                    let anonymous = Guarded::create_anonymous().map_err(Failure::from)?;
                    let fd = anonymous.as_fd().try_clone_to_owned().map_err(other)?;
                    let leaving = Guarded::from_fd(fd).map_err(Failure::from)?;
                    match leaving.lock.try_lock() {
                        Ok(guard) => std::mem::forget(guard),
                        Err(error) => return Err(other(error)),
                    }
                    drop(leaving);
                    match anonymous.lock.try_lock() {
                        Err(LockError::OwnerDied(_)) => left += 1,
                        Ok(_) => return Err(other("a lock that was held is free")),
                        Err(error) => return Err(other(format!("after {left} rounds: {error}"))),
                    }
                }
                Ok(left)
            }));
        }
        let forks = (0..rounds).try_for_each(|_| {
            let (mut parents_end, childs_end) = std::io::pipe().map_err(other)?;
            // SAFETY: the child uses atomics and system calls, allocates at most (glibc's allocator survives a fork), and
            // leaves through `_exit`.
            let child = match unsafe { fork() }.map_err(other)? {
                ForkResult::Child => {
                    drop(parents_end);
                    let code = i32::from(!lock_after_fork(&observer));
                    drop(childs_end);
                    // It stays until it is killed, with everything it inherited.
                    if code == 0 {
                        nix::unistd::pause();
                    }
                    // SAFETY: ends the child without dropping what belongs to the parent.
                    unsafe { libc::_exit(code) }
                }
                ForkResult::Parent { child } => child,
            };
            drop(childs_end);
            // Ends when the child has locked, or failed.
            std::io::Read::read(&mut parents_end, &mut [0]).map_err(other)?;
            end(child)
        });
        stop.store(true, Release);
        let mut total = 0;
        for worker in workers {
            total += worker.join().map_err(|_| other("panicked"))??;
        }
        forks?;
        Ok(total)
    });
    result.map(|total: u32| total.to_string())
}

/// Locks and unlocks as a fork child.
fn lock_after_fork(shm: &Shm<Guarded>) -> bool {
    match shm.lock.lock_timeout(crate::DEADLINE) {
        Ok(guard) => {
            guard.count.set(guard.count.get() + 1);
            guard.twin.set(guard.count.get());
            true
        }
        Err(error) => {
            eprintln!("{error}");
            false
        }
    }
}

/// Ends a child that should be waiting for that.
fn end(child: Pid) -> Result<(), Failure> {
    nix::sys::signal::kill(child, Signal::SIGKILL).map_err(other)?;
    match waitpid(child, None).map_err(other)? {
        nix::sys::wait::WaitStatus::Signaled(_, Signal::SIGKILL, _) => Ok(()),
        status => Err(other(format!("the child ended with {status:?}"))),
    }
}
