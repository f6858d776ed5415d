//! The sequence lock with several slots. Readers and writers never wait for each other.
//!
//! - [`protocol`]: the steps on the shared words, and their crash story;
//! - this file: the type, and reading;
//! - [`write`], [`guard`], [`private_copy`]: writing;
//! - [`error`]: the errors of both.

mod error;
mod guard;
mod private_copy;
mod write;

use std::fmt;
use std::hint::spin_loop;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::cell::{ShmCell, checked, copy};
use crate::claim::word::ClaimWord;
use crate::diagnostics::CopiedIn;
use crate::layout::{FieldLayout, TypeLayout, meaning};
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::padded::Padded;
use crate::protocol::seqlock::{self as protocol, Correct};
use crate::shm_layout::ShmLayout;
use crate::sync::Owner;
use crate::sync::TimedOut;
use crate::sync::layout::sync_layout;
use crate::sync::sleeper::Sleeper;
use crate::sys::clock::Deadline;

use private_copy::PrivateCopy;

pub use error::{ReadError, WriteError};
pub use guard::SeqLockWriteGuard;

/// A value that one process at a time writes and any number of processes read. Readers and writers never wait for each
/// other.
///
/// The value is kept in several slots. A writer fills a slot that is not current, then makes it current with one store. So
/// readers always find a whole value, even while the writer is stopped, or after it was killed at any instruction. Readers
/// write nothing: they work through a read-only mapping, and any number of them do not slow each other down.
///
/// Use it for state that is read more often than it is written, or that must never be seen half changed: a
/// configuration, the latest sample of a sensor, a table. Readers see the newest value and may miss those in between; to
/// pass on every one of them use a queue. Where readers also write, use a [`Mutex`](crate::sync::Mutex). The value has to be
/// `Copy`, because it is copied as a whole; it may contain enums and `char`s.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::SeqLock;
///
/// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
/// #[repr(C)]
/// struct Config { limit: u64, ratio: f64 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-seqlock-{}", std::process::id());
/// let config = SeqLock::<Config>::create(&name)?;
/// config.store(Config { limit: 10, ratio: 0.5 })?;
/// config.update(|config| config.limit += 1)?;
///
/// // Any other process:
/// let reader = SeqLock::<Config>::attach_read_only(&name)?;
/// assert_eq!(reader.read()?, Config { limit: 11, ratio: 0.5 });
/// // Without copying the rest:
/// assert_eq!(reader.read_with(|config| config.limit.get())?, 11);
///
/// // Several changes that become visible at once.
/// let mut next = config.write()?;
/// next.limit = 20;
/// next.ratio = 0.25;
/// assert_eq!(next.commit()?, 3);
/// assert_eq!(reader.wait_newer(2, std::time::Duration::from_secs(1))?, 3);
/// # Ok(()) }
/// ```
///
/// # Slots
///
/// `SLOTS` is at least 3; the type takes `SLOTS` times the room of a value. A read loses its copy, and tries again, if
/// `SLOTS - 1` commits overtake it, counting the one in progress when it began. So more slots help readers that are slower
/// than the writer: of large values, or when the kernel preempts them during a read.
///
/// # Memory ordering
///
/// A process that reads a value or a version also sees everything that its writer did before the commit, and everything
/// that earlier writers did before theirs.
///
/// # When a process dies
///
/// A reader leaves nothing behind. A writer leaves the last committed value: its unfinished write is never seen, and
/// there is nothing to repair. The next writer takes the role over, without any notice of the death, as soon as the kernel has
/// torn the dead process down, or, if it is waiting already, at its [next look](super#when-a-process-dies) after that. A writer
/// that is only stopped keeps the role, and readers go on.
///
/// A fork child goes on reading as its parent did, and is a separate writer.
///
/// # What a peer can do
///
/// A peer that may write to the segment can put any bytes into the value at any time. They are read as they are; bytes that
/// are not a valid value of an enum or a `char` are [`ReadError::Invalid`]. It cannot make a read hang: see
/// [`ReadError::Contended`].
///
/// # Cost
///
/// A read costs one copy of the value and two loads; [`read_with`](Self::read_with) saves the copy. A write costs one copy
/// and three atomic exchanges: two for the role, one for the commit. In a segment that
/// [wakes readers](crate::ShmOptions::wake_readers), a commit takes some nanoseconds more, and now and then a system call although
/// nobody sleeps. [`guide::performance`](crate::guide::performance) has figures.
#[repr(C)]
pub struct SeqLock<T, const SLOTS: usize = 4, A: Access = ReadWrite> {
    pub(super) words: Padded<Words>,
    pub(super) version: Padded<AtomicU64>,
    pub(super) slots: [Padded<ShmCell<T, A>>; SLOTS],
}

/// The words that only writers and sleeping readers use, apart from the version, which every reader loads.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Words {
    pub(super) claim: ClaimWord,
    pub(super) changed: AtomicU32,
}

/// How many times [`read_with`](SeqLock::read_with) reads in place before it makes a copy.
const IN_PLACE_ATTEMPTS: u32 = 16;

/// How many copies of a value of `size` bytes a read makes before it returns [`ReadError::Contended`].
///
/// Lost races come in streaks: a reader and a writer in tight loops can stay in step for a while. Next to a writer that
/// commits without a pause, with 3 slots and fully loaded processors, the longest streaks of an hour's worth of reads were
/// some thousand copies at 1 KiB and below, and less than a hundred at 8 MiB. The limit is far above these, and still
/// bounds a read to some 10 ms, or to a thousand copies of a large value. A preempted reader loses one copy each time, so
/// preemption alone never gets here.
pub(crate) const fn max_attempts(size: usize) -> u32 {
    const SMALL: u32 = 1 << 18;
    const LARGE: u32 = 1000;
    let pages = 1 + size / 4096;
    if pages > (SMALL / LARGE) as usize {
        LARGE
    } else {
        SMALL / pages as u32
    }
}

sync_layout! {
    impl[T: ShmLayout + CopiedIn<SeqLock<T, SLOTS>>, const SLOTS: usize]
    shown[T: ShmLayout + Copy, const SLOTS: usize] if T in[T: 'static, const SLOTS: usize] SeqLock[T, SLOTS], SEQLOCK.claiming();
    claim at words.0.claim: AtomicU32::LAYOUT;
    changed at words.0.changed: AtomicU32::LAYOUT;
    version at version: AtomicU64::LAYOUT;
    slots at slots: const { &TypeLayout::array(slot_layout::<T>(), SLOTS) };
}

/// The layout of one slot: a value, and what keeps the next one off its lines.
const fn slot_layout<T: ShmLayout>() -> &'static TypeLayout {
    const {
        &TypeLayout::meaning(
            meaning::SLOT,
            const {
                &TypeLayout::structure(
                    "Slot",
                    0,
                    size_of::<Padded<ShmCell<T>>>(),
                    align_of::<Padded<ShmCell<T>>>(),
                    const { &[FieldLayout::at("value", 0, T::LAYOUT)] },
                )
            },
            None,
        )
    }
}

impl<T: ShmLayout + Copy, const SLOTS: usize, A: Access> SeqLock<T, SLOTS, A> {
    /// Reads the value: one whole committed value, the newest at the start of the call or a newer one.
    ///
    /// It never waits, whatever the writer does, and writes nothing. If `SLOTS - 1` commits overtake the copy, it copies
    /// again, a bounded number of times.
    ///
    /// # Errors
    ///
    /// [`Contended`](ReadError::Contended); [`Invalid`](ReadError::Invalid), only for types with enums or `char`s.
    #[inline]
    pub fn read(&self) -> Result<T, ReadError> {
        // No call sees this place, so the compiler keeps a small value in registers.
        let mut value = MaybeUninit::uninit();
        if self.try_copy_valid(&mut value).is_none() {
            // A `Result` whose error is marked by an invalid `bool` or enum has the layout of the value: written in one piece, it
            // can be loaded in one piece. The other one the compiler takes apart.
            return if const { T::LAYOUT.has_bool() || T::LAYOUT.is_checked() } {
                self.read_again()
            } else {
                self.read_versioned_again().map(|(_, value)| value)
            };
        }
        // SAFETY: all bytes are initialised, and every leaf is valid.
        Ok(unsafe { value.assume_init() })
    }

    /// [`read`](Self::read)s the value together with its version, which [`wait_newer`](Self::wait_newer) takes.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    #[inline]
    pub fn read_versioned(&self) -> Result<(u64, T), ReadError> {
        // As in `read`.
        let mut value = MaybeUninit::uninit();
        let Some(version) = self.try_copy_valid(&mut value) else {
            return self.read_versioned_again();
        };
        // SAFETY: all bytes are initialised, and every leaf is valid.
        Ok((version, unsafe { value.assume_init() }))
    }

    /// [`read`](Self::read) after a lost race or an invalid value.
    #[cold]
    #[inline(never)]
    fn read_again(&self) -> Result<T, ReadError> {
        self.read_versioned_again().map(|(_, value)| value)
    }

    /// [`read_versioned`](Self::read_versioned) after a lost race or an invalid value.
    #[cold]
    #[inline(never)]
    fn read_versioned_again(&self) -> Result<(u64, T), ReadError> {
        let mut value = MaybeUninit::uninit();
        let version = self.copy_again(&mut value).ok_or(ReadError::Contended)?;
        // SAFETY: the bytes were copied.
        unsafe { Self::validate(&mut value) }?;
        // SAFETY: all bytes are initialised, and every leaf is valid.
        Ok((version, unsafe { value.assume_init() }))
    }

    /// Checks the enums and `char`s of a copy.
    ///
    /// # Safety
    ///
    /// All bytes of the copy are initialised.
    #[inline(always)]
    unsafe fn validate(copy: &mut MaybeUninit<T>) -> Result<(), ReadError> {
        // SAFETY: by the caller; the copy is private.
        unsafe { checked::validate_one(copy.as_mut_ptr()) }.map_err(ReadError::Invalid)
    }

    /// [`read`](Self::read)s the value into `out`, without a copy on the stack.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). After an error, `out` holds an unspecified value of its type.
    #[inline]
    pub fn read_into(&self, out: &mut T) -> Result<(), ReadError> {
        if const { T::LAYOUT.is_checked() } {
            // Bytes that are not validated yet must not be seen through `out`.
            // SAFETY: where `copy_valid` succeeds, all bytes are initialised and every leaf is valid.
            let value = unsafe { PrivateCopy::filled(|place| self.copy_valid(place).map(drop)) }?;
            if let Some(value) = value.get() {
                *out = *value;
            }
            return Ok(());
        }
        let out = std::ptr::from_mut(out).cast::<MaybeUninit<T>>();
        // SAFETY: it is borrowed alone, and `copy_valid` only writes what is valid for `T`, since all leaves are plain.
        self.copy_valid(unsafe { &mut *out })?;
        Ok(())
    }

    /// [`read`](Self::read)s the value into a new box, without a copy on the stack.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_boxed(&self) -> Result<Box<T>, ReadError> {
        let mut value = Box::new_uninit();
        self.copy_valid(&mut value)?;
        // SAFETY: all bytes are initialised, and every leaf is valid.
        Ok(unsafe { value.assume_init() })
    }

    /// Calls `look` with the value in place, without a copy, and returns its result.
    ///
    /// If commits overwrite the slot meanwhile, the result is dropped and `look` is called again. Such a call may see parts of
    /// different values, which were never committed together. So `look` should have no side effects, and not rely on
    /// relations between fields. A panic counts only if the value that `look` saw was whole; otherwise `look` is called
    /// again, although the panic's message was printed. (In a program that aborts on panics, every panic ends it.) After many
    /// lost races `look` is called once more with a copy, so the result always belongs to a value that
    /// [`read`](Self::read) could have returned.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # use shm_core::sync::SeqLock;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let table = SeqLock::<[u32; 10_000]>::create_anonymous()?;
    /// table.update(|table| table[7] = 5)?;
    /// let (len, sum) = table.read_with(|table| (table.len(), table[0].get() + table[7].get()))?;
    /// assert_eq!((len, sum), (10_000, 5));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Contended`](ReadError::Contended). Leaves that are enums or `char`s are checked by their own `try_get`.
    pub fn read_with<R>(
        &self,
        mut look: impl FnMut(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, ReadError> {
        for _ in 0..IN_PLACE_ATTEMPTS {
            let attempt = protocol::try_read::<Correct<A>, _>(&self.version, SLOTS, |slot| {
                let cell = self.slots[slot].read_only();
                catch_unwind(AssertUnwindSafe(|| look(cell)))
            });
            match attempt {
                Some((_, Ok(result))) => return Ok(result),
                Some((_, Err(panic))) => resume_unwind(panic),
                None => spin_loop(),
            }
        }
        self.look_at_copy(look)
    }

    #[cold]
    fn look_at_copy<R>(
        &self,
        look: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, ReadError> {
        let mut value = Box::new_uninit();
        self.copy_whole(&mut value).ok_or(ReadError::Contended)?;
        let cell = value.as_mut_ptr().cast::<ShmCell<T, ReadOnly>>();
        // SAFETY: aligned for `T`, initialised by `copy_whole`, live as long as `value`, and no longer written.
        Ok(look(unsafe { &*cell }))
    }

    /// The number of commits so far. Everything that was done before the last of them is visible.
    #[must_use]
    #[inline]
    pub fn version(&self) -> u64 {
        protocol::latest::<Correct<A>>(&self.version)
    }

    /// The process that holds the writer's role at this moment, dead or alive. `None` if it is free.
    ///
    /// Writers hold the role only while they write, so a dead one is found here if it was killed in the middle, or with a guard,
    /// and no process has written since. To follow a publisher that only [`store`](Self::store)s, see
    /// [`status`](crate::Shm::status).
    ///
    /// It costs a load if the role is free, and some system calls otherwise.
    #[must_use]
    pub fn writer(&self) -> Option<Owner> {
        Owner::of::<A>(&self.words.claim)
    }

    /// Waits for a version newer than `seen`, for at most `timeout` on the monotonic clock, and returns it.
    ///
    /// `Duration::MAX` waits for ever. Through a mapping that may be written, the caller sleeps until a commit wakes it. A reader
    /// whose mapping is read-only [polls](super#read-only-handles).
    ///
    /// The death of a writer does not end the wait, as another one may come; [`writer`](Self::writer) tells whether one has died in
    /// the middle of a write. If `seen` is ahead of the version, for instance because it is from another segment, this waits until
    /// the version is past it.
    ///
    /// # Errors
    ///
    /// [`TimedOut`]: no newer version was committed.
    pub fn wait_newer(&self, seen: u64, timeout: Duration) -> Result<u64, TimedOut> {
        self.newer_until(seen, || Deadline::after(timeout))
    }

    /// Waits as [`wait_newer`](Self::wait_newer) does, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`wait_newer`](Self::wait_newer).
    pub fn wait_newer_deadline(&self, seen: u64, deadline: Instant) -> Result<u64, TimedOut> {
        self.newer_until(seen, || Deadline::at(deadline))
    }

    fn newer_until(&self, seen: u64, deadline: impl FnOnce() -> Deadline) -> Result<u64, TimedOut> {
        // A version that is newer already needs no clock.
        if let Some(newer) = protocol::newer_than::<Correct<A>>(&self.version, seen) {
            return Ok(newer);
        }
        let mut sleeper = Sleeper::through::<A>(deadline()).for_commits();
        protocol::wait_newer::<Correct<A>, _>(
            &self.version,
            &self.words.changed,
            &mut sleeper,
            seen,
        )
        .ok_or(TimedOut)
    }

    /// Copies a whole, valid value to `out` and returns its version. After an error, all bytes of `out` are initialised.
    #[inline(always)]
    fn copy_valid(&self, out: &mut MaybeUninit<T>) -> Result<u64, ReadError> {
        let version = self.copy_whole(out).ok_or(ReadError::Contended)?;
        // SAFETY: the bytes were copied.
        unsafe { Self::validate(out) }?;
        Ok(version)
    }

    /// Copies a whole value to `out` and returns its version, or `None` after too many lost races. All bytes of `out` are
    /// initialised afterwards in any case.
    #[inline(always)]
    fn copy_whole(&self, out: &mut MaybeUninit<T>) -> Option<u64> {
        self.try_copy(out).or_else(|| self.copy_again(out))
    }

    #[cold]
    fn copy_again(&self, out: &mut MaybeUninit<T>) -> Option<u64> {
        (1..const { max_attempts(size_of::<T>()) }).find_map(|_| {
            spin_loop();
            self.try_copy(out)
        })
    }

    /// One attempt to copy a value, if that is whole and valid: then all bytes of `out` are initialised, and every leaf is valid.
    #[inline(always)]
    fn try_copy_valid(&self, out: &mut MaybeUninit<T>) -> Option<u64> {
        let version = self.try_copy(out)?;
        // SAFETY: all bytes were copied, and are private.
        unsafe { checked::is_valid(out.as_mut_ptr()) }.then_some(version)
    }

    /// One attempt to copy, which initialises all bytes of `out` in any case.
    #[inline(always)]
    fn try_copy(&self, out: &mut MaybeUninit<T>) -> Option<u64> {
        let attempt = protocol::try_read::<Correct<A>, _>(&self.version, SLOTS, |slot| {
            let place = self.slots[slot].as_mut_ptr();
            // SAFETY: the cell is live, aligned and readable; `out` is private.
            unsafe { copy::read_one(out.as_mut_ptr(), place) };
        });
        attempt.map(|(version, ())| version)
    }
}

impl<T: ShmLayout, const SLOTS: usize, A: Access> fmt::Debug for SeqLock<T, SLOTS, A> {
    /// The value is read leaf by leaf, so parts of it may be newer than others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = protocol::latest::<Correct<A>>(&self.version);
        let cell: &ShmCell<T, A> = &self.slots[protocol::slot(version, SLOTS)];
        f.debug_struct("SeqLock")
            .field("version", &version)
            .field("value", cell)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_values_get_fewer_attempts_and_none_below_1000() {
        assert_eq!(max_attempts(0), 1 << 18);
        assert_eq!(max_attempts(4095), 1 << 18);
        assert_eq!(max_attempts(4096), 1 << 17);
        assert_eq!(max_attempts(1 << 20), (1 << 18) / 257);
        assert_eq!(max_attempts(2 << 20), 1000);
        assert_eq!(max_attempts(usize::MAX), 1000);
    }
}
