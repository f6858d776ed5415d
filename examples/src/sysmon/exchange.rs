//! The protocol by which one process writes the segment while others read it.
//!
//! It is written with atomics, to show how one builds a protocol on cells. In a program of your own use
//! [`SeqLock`](shm_core::sync::SeqLock), which does all of this.
//!
//! # No torn samples
//!
//! A sample has about 20 KB, so copying it takes a while, and the other side does not wait. The segment therefore has two
//! halves, and `published` is the number of the newest complete sample. Sample `n` is in half `n % 2`.
//!
//! * The writer fills the half that is *not* the newest, then publishes its number. Whenever it is killed, the newest
//!   published sample stays complete, and the next writer continues with the next number.
//! * A reader loads the number, copies that half, and loads the number again. If it is unchanged, the writer was at most
//!   writing the other half. If not, the writer may have written this one, so the reader discards its copy and starts
//!   again.
//!
//! Orderings: the number is stored with `Release` and loaded with `Acquire`, so a reader that sees a number sees all of
//! that sample. The other direction needs fences, because the samples are read and written relaxed: if a reader's copy
//! contains one word of sample `n + 2`, then the writer's `fence(Release)` (after publishing `n + 1`, before that word)
//! synchronizes with the reader's `fence(Acquire)` (after the copy, before the second load), so the second load cannot
//! return `n`.
//!
//! # One writer
//!
//! Two writers would fill the same half at once. A lock on the segment's descriptor prevents that, not a flag in memory.
//! The kernel releases the lock when the writer ends, even by SIGKILL, so the next writer never waits. It does not release
//! the lock while the writer is merely stopped (Ctrl-Z, a debugger) and would continue to write later. A process id or a
//! heartbeat in memory guarantees neither. The segment has both for other purposes: `writer_pid` for messages, and
//! `heartbeat_ns` for readers, who cannot test the lock.

use std::os::fd::AsFd;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::time::{ClockId, clock_gettime};
use shm_core::{ReadOnly, Shm, ShmError, ShmLayout};

use super::error::Error;
use super::segment::{Sample, Sysmon};
use super::signals::Signals;

/// Readers consider a writer dead if its last heartbeat is older than this.
pub const SILENCE: Duration = Duration::from_secs(2);

/// The maximum time between two heartbeats, however rarely the writer samples.
pub const BEAT: Duration = Duration::from_millis(250);

fn clock_ns(clock: ClockId) -> u64 {
    // Reading these two clocks cannot fail on Linux.
    let time = clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the time in nanoseconds on `CLOCK_MONOTONIC`: the same for all processes of a machine, never set back, and
/// paused while the machine sleeps, so that writers do not look dead afterwards.
#[must_use]
pub fn now_ns() -> u64 {
    clock_ns(ClockId::CLOCK_MONOTONIC)
}

/// Returns the nanoseconds since 1970.
#[must_use]
pub fn real_ns() -> u64 {
    clock_ns(ClockId::CLOCK_REALTIME)
}

/// Returns the time since a reading of [`now_ns`]; zero for one in the future.
#[must_use]
pub fn since(ns: u64) -> Duration {
    Duration::from_nanos(now_ns().saturating_sub(ns))
}

/// The only writer of a segment. Dropping it tells the readers and removes the name.
pub struct Writer {
    shm: Shm<Sysmon>,
}

impl Writer {
    /// Opens or creates the segment and becomes its writer. If the previous writer was killed, this one continues in its
    /// segment, and readers stay attached.
    ///
    /// Returns `None` if a signal arrives meanwhile.
    ///
    /// # Errors
    ///
    /// Returns [`Error::AnotherWriter`] if another process is the writer, and any error of the library.
    pub fn start(name: &str, signals: &Signals) -> Result<Option<Self>, Error> {
        let deadline = Instant::now() + SILENCE;
        loop {
            let shm = Sysmon::open_or_create(name)?;
            if try_lock(&shm, name)? {
                // Another process may have removed the name between opening and locking, and a segment without a name is
                // useless here.
                if shm.is_current() {
                    shm.writer_pid.store(std::process::id(), Ordering::Relaxed);
                    shm.stopped.store(0, Ordering::Release);
                    let writer = Self { shm };
                    writer.beat();
                    return Ok(Some(writer));
                }
            } else if shm.stopped.load(Ordering::Acquire) == 0 || Instant::now() > deadline {
                return Err(Error::AnotherWriter {
                    name: name.to_owned(),
                    pid: shm.writer_pid.load(Ordering::Relaxed),
                    silent: Some(since(shm.heartbeat_ns.load(Ordering::Acquire)))
                        .filter(|silent| *silent > SILENCE),
                });
            }
            // The other writer is about to end.
            drop(shm);
            if signals.wait(Duration::from_millis(1))? {
                return Ok(None);
            }
        }
    }

    /// Sets the number of `sample` and publishes it as the newest.
    pub fn publish(&self, sample: &mut Sample) {
        // Only the writer changes this number, so its load needs no ordering.
        let number = self.shm.published.load(Ordering::Relaxed).wrapping_add(1);
        sample.number = number;
        fence(Ordering::Release);
        self.shm.halves[half(number)].store_from(sample);
        self.shm.published.store(number, Ordering::Release);
        self.beat();
    }

    /// Writes a heartbeat.
    pub fn beat(&self) {
        self.shm.heartbeat_ns.store(now_ns(), Ordering::Release);
    }

    /// Returns `true` if the name still leads to this segment, so that new readers find it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.shm.is_current()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shm.stopped.store(1, Ordering::Release);
    }
}

fn half(number: u64) -> usize {
    (number % 2) as usize
}

/// Tries to lock the first byte of the segment with an open-file-description lock, for as long as the handle lives. The
/// process with the lock is the writer. The locks of the library are far beyond the end of any file.
fn try_lock(shm: &Shm<Sysmon>, name: &str) -> Result<bool, Error> {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(shm.as_fd(), FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(Error::io(format!("locking `{name}`"), errno)),
    }
}

/// The state of the writer, as far as a reader can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterState {
    /// Running.
    Alive,
    /// Ended normally.
    Ended,
    /// No heartbeat for longer than [`SILENCE`]: killed or stopped.
    Silent(Duration),
}

/// A reader of a segment, with a read-only mapping.
pub struct Reader {
    shm: Shm<Sysmon, ReadOnly>,
}

impl Reader {
    /// Attaches to the segment.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NoWriter`] if there is no such name, and any error of the library.
    pub fn attach(name: &str) -> Result<Self, Error> {
        match Sysmon::attach_read_only(name) {
            Ok(shm) => Ok(Self { shm }),
            Err(ShmError::NotFound { .. }) => Err(Error::NoWriter {
                name: name.to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the writer's process id, for messages.
    #[must_use]
    pub fn writer_pid(&self) -> u32 {
        self.shm.writer_pid.load(Ordering::Relaxed)
    }

    /// Returns the state of the writer. A killed writer is detected after [`SILENCE`], unless another one starts first.
    #[must_use]
    pub fn writer_state(&self) -> WriterState {
        if self.shm.stopped.load(Ordering::Acquire) != 0 {
            return WriterState::Ended;
        }
        let silent = since(self.shm.heartbeat_ns.load(Ordering::Acquire));
        if silent > SILENCE {
            WriterState::Silent(silent)
        } else {
            WriterState::Alive
        }
    }

    /// Copies the newest sample into `into`. Returns `false` if there is none yet. The sample is complete even if the
    /// writer was killed while it wrote the next one.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Contended`] if the number changed during each of 10000 copies. A writer that samples ten times per
    /// second cannot do that, but a broken one could.
    pub fn latest(&self, into: &mut Sample) -> Result<bool, Error> {
        for _ in 0..10_000 {
            let number = self.shm.published.load(Ordering::Acquire);
            if number == 0 {
                return Ok(false);
            }
            self.shm.halves[half(number)].load_into(into);
            fence(Ordering::Acquire);
            if self.shm.published.load(Ordering::Relaxed) == number {
                return Ok(true);
            }
        }
        Err(Error::Contended {
            name: self.shm.name().to_owned(),
        })
    }
}
