//! The cost of uncontended sync types, compared with those of the standard library and of POSIX, and the time of a wake-up
//! between two processes.
//!
//! `cargo run --release -p shm-benches --bin sync_costs` prints the tables of shm-core/docs/performance.md. `main` calls
//! one function for each section.

use std::hint::black_box;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::mem::size_of;
use std::process::ExitCode;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier as StdBarrier, Condvar, Mutex as StdMutex};

use nix::libc;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use shm_benches::{compare, exit_code, heading, row};
use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Event, Mutex, Semaphore};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let sections = [mutex, semaphore, event, barrier, wake_up];
    exit_code(sections.into_iter().try_for_each(|section| section()))
}

/// Zeroed memory for POSIX objects, shared with other processes. It is never unmapped.
fn shared<T>() -> Result<NonNull<T>> {
    let len = size_of::<T>().try_into()?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses a free address, so no memory that is in use changes.
    let start = unsafe { mmap_anonymous(None, len, protection, MapFlags::MAP_SHARED) }?;
    Ok(start.cast())
}

/// Converts the error number that a POSIX call returned.
fn done(code: i32) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(code).into()),
    }
}

fn robust_mutex() -> Result<NonNull<libc::pthread_mutex_t>> {
    let (attributes, mutex) = (shared::<libc::pthread_mutexattr_t>()?, shared()?);
    // SAFETY: room for attributes.
    done(unsafe { libc::pthread_mutexattr_init(attributes.as_ptr()) })?;
    // SAFETY: these attributes were initialised.
    done(unsafe {
        libc::pthread_mutexattr_setpshared(attributes.as_ptr(), libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: as above.
    done(unsafe {
        libc::pthread_mutexattr_setrobust(attributes.as_ptr(), libc::PTHREAD_MUTEX_ROBUST)
    })?;
    // SAFETY: room for a mutex, and attributes that were initialised.
    done(unsafe { libc::pthread_mutex_init(mutex.as_ptr(), attributes.as_ptr()) })?;
    Ok(mutex)
}

fn mutex() -> Result<()> {
    let shm = Mutex::<u64>::create_anonymous()?;
    let ours = || {
        drop(black_box(shm.lock()));
    };
    heading("Mutex: lock, unlock", "this", "the other");
    let standard = StdMutex::new(0_u64);
    let other = || drop(black_box(standard.lock()));
    row("beside std::sync::Mutex", &compare(ours, other));
    let robust = robust_mutex()?;
    let other = || {
        // SAFETY: a mutex that was initialised and is never destroyed.
        black_box(unsafe { libc::pthread_mutex_lock(robust.as_ptr()) });
        // SAFETY: as above, and locked by this thread.
        black_box(unsafe { libc::pthread_mutex_unlock(robust.as_ptr()) });
    };
    row("beside a robust pthread mutex", &compare(ours, other));
    Ok(())
}

fn semaphore() -> Result<()> {
    let shm = Semaphore::create_anonymous()?;
    let ours = || {
        black_box(shm.post().is_ok());
        shm.wait();
    };
    heading("Semaphore: post, wait", "this", "the other");
    let posix = shared::<libc::sem_t>()?;
    // SAFETY: room for a semaphore, in shared memory.
    if unsafe { libc::sem_init(posix.as_ptr(), 1, 0) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let other = || {
        // SAFETY: a semaphore that was initialised and is never destroyed.
        black_box(unsafe { libc::sem_post(posix.as_ptr()) });
        // SAFETY: as above.
        black_box(unsafe { libc::sem_wait(posix.as_ptr()) });
    };
    row("beside sem_t", &compare(ours, other));
    let (count, more) = (StdMutex::new(0_u32), Condvar::new());
    let other = || {
        if let Ok(mut count) = count.lock() {
            *count += 1;
        }
        more.notify_one();
        if let Ok(mut count) = count.lock() {
            while *count == 0 {
                match more.wait(count) {
                    Ok(guard) => count = guard,
                    Err(_) => return,
                }
            }
            *count -= 1;
        }
    };
    row("beside std's Mutex and Condvar", &compare(ours, other));
    Ok(())
}

fn event() -> Result<()> {
    let shm = Event::create_anonymous()?;
    let ours = || shm.notify_all();
    heading("Event: notify, nobody asleep", "this", "the other");
    let counter = AtomicU32::new(0);
    let other = || {
        black_box(counter.fetch_add(1, Ordering::Release));
    };
    row("beside an atomic addition", &compare(ours, other));
    let more = Condvar::new();
    row(
        "beside std's Condvar::notify_all",
        &compare(ours, || more.notify_all()),
    );
    let fd = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK)?;
    let other = || {
        black_box(fd.write(1).is_ok());
    };
    row("beside a write to an eventfd", &compare(ours, other));
    Ok(())
}

fn barrier() -> Result<()> {
    let shm = Barrier::<1>::create_anonymous()?;
    let mut seat = shm.join()?;
    heading("Barrier<1>: one round", "this", "the other");
    let standard = StdBarrier::new(1);
    let ours = || {
        black_box(seat.wait().is_ok());
    };
    let other = || {
        black_box(standard.wait());
    };
    row("beside std::sync::Barrier", &compare(ours, other));
    Ok(())
}

/// A child of this program. Dropping this kills it.
struct Child(Pid);

impl Child {
    fn start(mut work: impl FnMut()) -> Result<Self> {
        // SAFETY: this program has one thread, so no lock is held by a thread that the child lacks.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self(child)),
            ForkResult::Child => loop {
                work();
            },
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

#[derive(ShmLayout)]
#[repr(C)]
struct Table {
    ping: Event,
    pong: Event,
}

fn one_byte(from: &mut PipeReader) {
    let mut byte = [0];
    // The other end is closed, so this process is about to be killed.
    if from.read_exact(&mut byte).is_err() {
        std::process::exit(0);
    }
}

fn send_byte(to: &mut PipeWriter) {
    if to.write_all(&[1]).is_err() {
        std::process::exit(0);
    }
}

/// A round trip between two processes that sleep while they wait.
fn wake_up() -> Result<()> {
    let table = Table::create_anonymous()?;
    let mut seen = table.ping.generation();
    let _events = Child::start(|| {
        seen = table.ping.wait(seen);
        table.pong.notify_one();
    })?;
    let ours = || {
        let seen = table.pong.generation();
        table.ping.notify_one();
        black_box(table.pong.wait(seen));
    };

    let ((mut ping_in, mut ping), (mut pong, mut pong_out)) = (pipe()?, pipe()?);
    let _pipes = Child::start(|| {
        one_byte(&mut ping_in);
        send_byte(&mut pong_out);
    })?;
    heading("there and back, two processes", "Event", "the other");
    let other = || {
        send_byte(&mut ping);
        one_byte(&mut pong);
    };
    row("beside two pipes", &compare(ours, other));

    let (ping, pong) = (EventFd::new()?, EventFd::new()?);
    let _fds = Child::start(|| {
        black_box(ping.read().is_ok());
        black_box(pong.write(1).is_ok());
    })?;
    let other = || {
        black_box(ping.write(1).is_ok());
        black_box(pong.read().is_ok());
    };
    row("beside two eventfds", &compare(ours, other));
    Ok(())
}
