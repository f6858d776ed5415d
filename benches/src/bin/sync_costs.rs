//! The cost of uncontended sync types, compared with those of the standard library and POSIX, and the time of a wake-up
//! between two processes.
//!
//! `cargo run --release -p shm-benches --bin sync_costs` prints the tables of shm-core/docs/performance.md, one per function.

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

/// Returns zeroed shared memory for a POSIX object. It is never unmapped.
fn shared<T>() -> Result<NonNull<T>> {
    let len = size_of::<T>().try_into()?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses a free address, so no existing mapping changes.
    let start = unsafe { mmap_anonymous(None, len, protection, MapFlags::MAP_SHARED) }?;
    Ok(start.cast())
}

/// Turns the error number that a POSIX call returns into a `Result`.
fn check(code: i32) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(code).into()),
    }
}

fn robust_mutex() -> Result<NonNull<libc::pthread_mutex_t>> {
    let (attributes, mutex) = (shared::<libc::pthread_mutexattr_t>()?, shared()?);
    // SAFETY: the memory has room for attributes.
    check(unsafe { libc::pthread_mutexattr_init(attributes.as_ptr()) })?;
    // SAFETY: the attributes are initialised.
    check(unsafe {
        libc::pthread_mutexattr_setpshared(attributes.as_ptr(), libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: as above.
    check(unsafe {
        libc::pthread_mutexattr_setrobust(attributes.as_ptr(), libc::PTHREAD_MUTEX_ROBUST)
    })?;
    // SAFETY: the memory has room for a mutex, and the attributes are initialised.
    check(unsafe { libc::pthread_mutex_init(mutex.as_ptr(), attributes.as_ptr()) })?;
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
    row("vs. std::sync::Mutex", &compare(ours, other));
    let robust = robust_mutex()?;
    let other = || {
        // SAFETY: the mutex is initialised and never destroyed.
        black_box(unsafe { libc::pthread_mutex_lock(robust.as_ptr()) });
        // SAFETY: as above, and locked by this thread.
        black_box(unsafe { libc::pthread_mutex_unlock(robust.as_ptr()) });
    };
    row("vs. a robust pthread mutex", &compare(ours, other));
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
    // SAFETY: the shared memory has room for a semaphore.
    if unsafe { libc::sem_init(posix.as_ptr(), 1, 0) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let other = || {
        // SAFETY: the semaphore is initialised and never destroyed.
        black_box(unsafe { libc::sem_post(posix.as_ptr()) });
        // SAFETY: as above.
        black_box(unsafe { libc::sem_wait(posix.as_ptr()) });
    };
    row("vs. sem_t", &compare(ours, other));
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
    row("vs. std's Mutex and Condvar", &compare(ours, other));
    Ok(())
}

fn event() -> Result<()> {
    let shm = Event::create_anonymous()?;
    let ours = || shm.notify_all();
    heading("Event: notify, no waiter", "this", "the other");
    let counter = AtomicU32::new(0);
    let other = || {
        black_box(counter.fetch_add(1, Ordering::Release));
    };
    row("vs. an atomic addition", &compare(ours, other));
    let more = Condvar::new();
    row(
        "vs. std's Condvar::notify_all",
        &compare(ours, || more.notify_all()),
    );
    let fd = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK)?;
    let other = || {
        black_box(fd.write(1).is_ok());
    };
    row("vs. a write to an eventfd", &compare(ours, other));
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
    row("vs. std::sync::Barrier", &compare(ours, other));
    Ok(())
}

/// A child process. Dropping it kills the process.
struct Child(Pid);

impl Child {
    fn start(mut work: impl FnMut()) -> Result<Self> {
        // SAFETY: this program has one thread, so the child can do everything that the parent can.
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

fn receive_byte(from: &mut PipeReader) {
    let mut byte = [0];
    // The other end is closed, because the parent has ended.
    if from.read_exact(&mut byte).is_err() {
        std::process::exit(0);
    }
}

fn send_byte(to: &mut PipeWriter) {
    if to.write_all(&[1]).is_err() {
        std::process::exit(0);
    }
}

/// Round trips between two processes, which sleep while they wait.
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
        receive_byte(&mut ping_in);
        send_byte(&mut pong_out);
    })?;
    heading("round trip, two processes", "Event", "the other");
    let other = || {
        send_byte(&mut ping);
        receive_byte(&mut pong);
    };
    row("vs. two pipes", &compare(ours, other));

    let (ping, pong) = (EventFd::new()?, EventFd::new()?);
    let _fds = Child::start(|| {
        black_box(ping.read().is_ok());
        black_box(pong.write(1).is_ok());
    })?;
    let other = || {
        black_box(ping.write(1).is_ok());
        black_box(pong.read().is_ok());
    };
    row("vs. two eventfds", &compare(ours, other));
    Ok(())
}
