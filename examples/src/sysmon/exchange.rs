//! The rules by which one process writes the segment while others read it.
//!
//! # No torn samples
//!
//! A sample is some 20 KB, so copying it takes a while, in which the other side does not
//! stand still. The segment has two halves, and `published` is the number of the newest
//! whole sample. It says where that is: number `n` lies in half `n % 2`.
//!
//! * The writer fills the half that is *not* the newest, then publishes its number.
//!   However it is killed, the newest published sample stays whole, and a successor
//!   goes on with the next number.
//! * A reader notes the number, copies that half, and looks at the number again. If it is
//!   the same, the writer was at work in the other half at most. If not, the writer may
//!   have come around to this one, so the reader throws its copy away and starts over.
//!
//! The orderings: publishing is a `Release` store and noting an `Acquire` load, so who
//! sees a number sees all of that sample. The other direction needs fences, since data
//! is only read and written relaxed: if a reader's copy caught one word of sample
//! `n + 2`, then the writer's `fence(Release)` (after publishing `n + 1`, before that
//! word) meets the reader's `fence(Acquire)` (after the copy, before the second look),
//! and the second look cannot give `n`.
//!
//! # One writer
//!
//! Two writers would fill the same half at once. What keeps the second one out is a lock
//! on the segment's own descriptor, not a flag in the memory: the kernel drops the lock
//! when the writer ends, be it by SIGKILL, so a successor never waits; and it does not
//! drop it while the writer is merely stopped (Ctrl-Z, a debugger) and would go on
//! writing when continued. A process id or a heartbeat in the memory can promise neither.
//! Both are in the segment all the same, for people: `writer_pid` to name who holds the
//! lock, `heartbeat_ns` for readers, whose mapping shows them nothing else of the writer.

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

/// A writer that has given no sign of life for this long is taken for dead.
pub const SILENCE: Duration = Duration::from_secs(2);

/// A writer gives a sign of life at least this often, however rarely it samples.
pub const BEAT: Duration = Duration::from_millis(250);

fn clock_ns(clock: ClockId) -> u64 {
    // Neither of the two clocks used here can fail on Linux.
    let time = clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds on `CLOCK_MONOTONIC`: the same for all processes of a machine, never set
/// back, and standing still while the machine sleeps, so that no writer looks dead then.
#[must_use]
pub fn now_ns() -> u64 {
    clock_ns(ClockId::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970.
#[must_use]
pub fn real_ns() -> u64 {
    clock_ns(ClockId::CLOCK_REALTIME)
}

/// The time that has passed since a reading of [`now_ns`]; zero for one in the future.
#[must_use]
pub fn since(ns: u64) -> Duration {
    Duration::from_nanos(now_ns().saturating_sub(ns))
}

/// The one process that writes. Dropping it tells the readers and removes the name.
pub struct Writer {
    shm: Shm<Sysmon>,
}

impl Writer {
    /// Opens or creates the segment and becomes its writer. A predecessor that was killed
    /// left the segment behind; then this one goes on in it, and readers keep seeing it.
    ///
    /// `None` when a signal came meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::AnotherWriter`] while another process is the writer, and what the library
    /// reports for the name.
    pub fn start(name: &str, signals: &Signals) -> Result<Option<Self>, Error> {
        let deadline = Instant::now() + SILENCE;
        loop {
            let shm = Sysmon::open_or_create(name)?;
            if take_role(&shm, name)? {
                // Between opening and locking, somebody may have removed the name.
                // Then a segment that nobody can find is of no use.
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
            // The other one is on its way out, which takes it a moment.
            drop(shm);
            if signals.wait(Duration::from_millis(1))? {
                return Ok(None);
            }
        }
    }

    /// Makes `sample` the newest. Gives it its number.
    pub fn publish(&self, sample: &mut Sample) {
        // Only the writer changes this number, so its own load needs no ordering.
        let number = self.shm.published.load(Ordering::Relaxed).wrapping_add(1);
        sample.number = number;
        fence(Ordering::Release);
        self.shm.halves[half(number)].store_from(sample);
        self.shm.published.store(number, Ordering::Release);
        self.beat();
    }

    /// Gives a sign of life.
    pub fn beat(&self) {
        self.shm.heartbeat_ns.store(now_ns(), Ordering::Release);
    }

    /// Whether the name still leads to this segment, so that new readers find it.
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

/// Takes the lock that makes this process the writer: an open-file-description lock on the
/// segment's first byte, for as long as the handle lives. The library's own locks lie far
/// beyond the end of any file. Whether it was free.
fn take_role(shm: &Shm<Sysmon>, name: &str) -> Result<bool, Error> {
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

/// What a reader can tell about the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// It is alive.
    Alive,
    /// It has ended in good order.
    Ended,
    /// It has been silent for longer than [`SILENCE`]: killed, or stopped.
    Silent(Duration),
}

/// One process that reads, through a mapping that cannot be written to.
pub struct Reader {
    shm: Shm<Sysmon, ReadOnly>,
}

impl Reader {
    /// Attaches to the segment.
    ///
    /// # Errors
    ///
    /// [`Error::NoWriter`] when there is no such name, and what the library reports.
    pub fn attach(name: &str) -> Result<Self, Error> {
        match Sysmon::attach_read_only(name) {
            Ok(shm) => Ok(Self { shm }),
            Err(ShmError::NotFound { .. }) => Err(Error::NoWriter {
                name: name.to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// The writer's process id, for messages.
    #[must_use]
    pub fn writer_pid(&self) -> u32 {
        self.shm.writer_pid.load(Ordering::Relaxed)
    }

    /// How the writer is. A killed one shows after [`SILENCE`], if no successor comes first.
    #[must_use]
    pub fn writing(&self) -> Writing {
        if self.shm.stopped.load(Ordering::Acquire) != 0 {
            return Writing::Ended;
        }
        let silent = since(self.shm.heartbeat_ns.load(Ordering::Acquire));
        if silent > SILENCE {
            Writing::Silent(silent)
        } else {
            Writing::Alive
        }
    }

    /// Copies the newest sample; false when there is none yet. It is a whole one, also when
    /// the writer was killed while it wrote the next.
    ///
    /// # Errors
    ///
    /// [`Error::Restless`] when the number changed during each of very many copies. A
    /// writer that samples ten times a second cannot do that, a broken one could.
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
        Err(Error::Restless {
            name: self.shm.name().to_owned(),
        })
    }
}
