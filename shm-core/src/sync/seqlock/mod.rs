//! The sequence lock with several slots: readers that never wait, and a writer that never waits for them.
//!
//! - [`protocol`]: the steps on the shared words, and their crash story;
//! - this file: the type, and reading;
//! - [`write`], [`guard`], [`private`]: writing;
//! - [`error`]: what can become of both.

mod error;
mod guard;
mod private;
mod write;

use std::fmt;
use std::hint::spin_loop;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::cell::{ShmCell, ShmValue, checked, copy};
use crate::claim::word::ClaimWord;
use crate::diagnostics::refused_as_a_whole;
use crate::layout::{FieldLayout, TypeLayout, meaning};
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::padded::Padded;
use crate::protocol::seqlock::{self as protocol, Correct};
use crate::shm_layout::ShmLayout;
use crate::sync::TimedOut;
use crate::sync::layout::sync_layout;
use crate::sync::sleeper::Sleeper;
use crate::sys::clock::Deadline;

pub use error::{ReadError, WriteError};
pub use guard::SeqLockWriteGuard;

/// A value that one process at a time writes and any number read, without ever waiting for each other.
///
/// The value lies in several slots. A writer fills a slot that is not current and then makes it current by one store, so
/// readers always find a whole value, also while the writer is stopped or after it was killed at any instruction. Readers
/// write nothing: they work through a read-only mapping, and as many as there are do not slow each other down.
///
/// Use it for state that is read more often than it is written or that must never be seen half changed: a
/// configuration, the latest sample of a sensor, a table. Readers see the newest value and may miss those in between; to
/// pass on every one of them use a queue. Where readers also write, use a [`Mutex`](crate::sync::Mutex). The value has to be
/// `Copy`, because it is copied as a whole; it may hold enums and `char`s, which [`try_read`](Self::try_read) reads.
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
/// assert_eq!(reader.read(), Config { limit: 11, ratio: 0.5 });
/// // Without copying the rest:
/// assert_eq!(reader.read_with(|config| config.limit.get()), 11);
///
/// // Several changes, seen all at once.
/// let mut next = config.write()?;
/// next.limit = 20;
/// next.ratio = 0.25;
/// assert_eq!(next.commit()?, 3);
/// assert_eq!(reader.wait_newer_timeout(2, std::time::Duration::from_secs(1))?, 3);
/// # Ok(()) }
/// ```
///
/// # Slots
///
/// `SLOTS` is at least 3; the type takes as many times the room of a value. A reader tries again if `SLOTS - 1` commits
/// have overtaken it, counting the one in progress when it began. So more slots help readers that are slower than the
/// writer: of large values, or when the system runs something else in the middle of a read.
///
/// # Memory ordering
///
/// Who reads a value, or a version, also sees what its writer did before it committed, and what the writers before that
/// did.
///
/// # When a process dies
///
/// A reader leaves nothing behind. A writer leaves the last value that was committed, whole: what it had begun is never
/// seen, and there is nothing to repair. The next writer gets the role, without a word about it, within 50 ms after the
/// kernel has taken the dead process apart. A writer that is only stopped keeps the role, and readers go on.
///
/// A fork child reads on as its parent did, and is another writer.
///
/// # What a peer can do
///
/// One that may write the segment can put any bytes into the value at any time; they are read as what they are, and what is
/// no value of an enum or a `char` is [`ReadError::Invalid`]. It cannot make a read hang: see [`read`](Self::read).
///
/// # Cost
///
/// Reading costs a copy of the value and two loads; [`read_with`](Self::read_with) saves the copy. Writing costs a copy,
/// and three atomic exchanges: two for the role, one to commit. `docs/performance.md` has figures.
#[repr(C)]
pub struct SeqLock<T, const SLOTS: usize = 4, A: Access = ReadWrite> {
    pub(super) words: Padded<Words>,
    pub(super) version: Padded<AtomicU64>,
    pub(super) slots: [Padded<ShmCell<T, A>>; SLOTS],
}

/// What only writers, and readers that sleep, need. Apart from the version, which all readers look at.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Words {
    pub(super) claim: ClaimWord,
    pub(super) changed: AtomicU32,
}

/// How often [`read_with`](SeqLock::read_with) looks in place before it makes a copy.
const TRIES_IN_PLACE: u32 = 16;
/// Failed tries before reading may give up.
const TRIES: u32 = 1000;
/// And the time that must have passed, too: the system may run a writer for a while and no reader.
const PATIENCE: Duration = Duration::from_secs(1);
refused_as_a_whole!([T, const SLOTS: usize] SeqLock<T, SLOTS>);

sync_layout! {
    impl[T: ShmLayout + Copy, const SLOTS: usize] SeqLock[T, SLOTS], SEQLOCK.claiming();
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
    /// Reads the value: one whole value that was committed, the newest when the read began or a newer one.
    ///
    /// It never waits, whatever the writer does. If commits overtake it, it tries again; beside a sound writer that is soon
    /// over, as only a copy that takes as long as `SLOTS - 2` commits is lost. There is an end in any case: after a second and
    /// at least a thousand tries the last copy is returned, which then is a value of `T`, but may be of parts that do not
    /// belong together. Two things lead there:
    ///
    /// - a peer that breaks the protocol, and moves the version for ever without committing anything;
    /// - a reader that is slower than `SLOTS - 2` commits **every** time, for a second: under a debugger or an emulator, or
    ///   with a copy so large that it is never done before the system runs something else, beside a writer that
    ///   commits without pause. Give the type more slots.
    ///
    /// Where either may be, use [`try_read`](Self::try_read) or one of its kin: only they give [`ReadError::Contended`] instead.
    #[must_use]
    #[inline]
    pub fn read(&self) -> T
    where
        T: ShmValue,
    {
        self.read_versioned().1
    }

    /// [`read`](Self::read)s the value together with its version: what to wait for a newer one of.
    #[must_use]
    #[inline]
    pub fn read_versioned(&self) -> (u64, T)
    where
        T: ShmValue,
    {
        let mut value = MaybeUninit::uninit();
        let (Ok(version) | Err(version)) = self.copy_to(&mut value);
        // SAFETY: `copy_to` has initialised all bytes, and they are valid since all leaves are plain (`ShmValue`).
        (version, unsafe { value.assume_init() })
    }

    /// [`read`](Self::read)s the value into `out`, without a copy on the stack.
    #[inline]
    pub fn read_into(&self, out: &mut T)
    where
        T: ShmValue,
    {
        let out = std::ptr::from_mut(out).cast::<MaybeUninit<T>>();
        // SAFETY: it is borrowed alone, and `copy_to` only writes what is valid for `T`, since all leaves are plain.
        let _ = self.copy_to(unsafe { &mut *out });
    }

    /// [`read`](Self::read)s the value into a new box, without a copy on the stack.
    #[must_use]
    pub fn read_boxed(&self) -> Box<T>
    where
        T: ShmValue,
    {
        let mut value = Box::new_uninit();
        let _ = self.copy_to(&mut value);
        // SAFETY: as in `read_versioned`.
        unsafe { value.assume_init() }
    }

    /// Reads the value, if there is a whole one and it is one of its type: the way to read what has enums or `char`s.
    ///
    /// # Errors
    ///
    /// [`ReadError::Invalid`]; [`ReadError::Contended`] where [`read`](Self::read) would return what it has.
    pub fn try_read(&self) -> Result<T, ReadError> {
        self.try_read_versioned().map(|(_, value)| value)
    }

    /// [`try_read`](Self::try_read)s the value together with its version: what to wait for a newer one of.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_versioned(&self) -> Result<(u64, T), ReadError> {
        let mut value = MaybeUninit::uninit();
        let version = self.copy_checked(&mut value)?;
        // SAFETY: initialised, and every leaf is valid.
        Ok((version, unsafe { value.assume_init() }))
    }

    /// [`try_read`](Self::try_read) into a new box, without a copy on the stack.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_boxed(&self) -> Result<Box<T>, ReadError> {
        let mut value = Box::new_uninit();
        self.copy_checked(&mut value)?;
        // SAFETY: initialised, and every leaf is valid.
        Ok(unsafe { value.assume_init() })
    }

    /// Looks at the value in place, without a copy, and returns what `look` makes of it.
    ///
    /// `look` may run several times: if its slot was written meanwhile, what it has returned is dropped and it runs again.
    /// Such a run may see parts of different values together, which were never committed, so it should have no effects and
    /// not rely on what the fields have to do with each other. If it panics, that counts only if what it saw was whole;
    /// otherwise it runs again, although the panic's message was printed. (In a program that is built to abort on panics,
    /// every panic ends it.) If it is overtaken many times, it runs once more on a copy, so the result always is
    /// one of a value that [`read`](Self::read) would have returned.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # use shm_core::sync::SeqLock;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let table = SeqLock::<[u32; 10_000]>::create_anonymous()?;
    /// table.update(|table| table[7] = 5)?;
    /// let (len, sum) = table.read_with(|table| (table.len(), table[0].get() + table[7].get()));
    /// assert_eq!((len, sum), (10_000, 5));
    /// # Ok(()) }
    /// ```
    pub fn read_with<R>(&self, mut look: impl FnMut(&ShmCell<T, ReadOnly>) -> R) -> R {
        for _ in 0..TRIES_IN_PLACE {
            let attempt = protocol::try_read::<Correct<A>, _>(&self.version, SLOTS, |slot| {
                let cell = self.slots[slot].read_only();
                catch_unwind(AssertUnwindSafe(|| look(cell)))
            });
            match attempt {
                Ok((_, Ok(result))) => return result,
                Ok((_, Err(panic))) => resume_unwind(panic),
                Err(_) => spin_loop(),
            }
        }
        self.look_at_copy(look)
    }

    #[cold]
    fn look_at_copy<R>(&self, mut look: impl FnMut(&ShmCell<T, ReadOnly>) -> R) -> R {
        let mut value = Box::new_uninit();
        let _ = self.copy_to(&mut value);
        let cell = value.as_mut_ptr().cast::<ShmCell<T, ReadOnly>>();
        // SAFETY: aligned for `T`, initialised by `copy_to`, live as long as `value`, and not written any more.
        look(unsafe { &*cell })
    }

    /// The number of commits so far. Who sees one also sees what was done before it.
    #[must_use]
    #[inline]
    pub fn version(&self) -> u64 {
        protocol::latest::<Correct<A>>(&self.version)
    }

    /// Waits for a version newer than `seen`, and returns it.
    ///
    /// Who can write sleeps until a commit wakes it. Through a read-only mapping nobody can be told that somebody sleeps,
    /// so such a reader looks by itself, in steps that grow from 50 µs to 2 ms.
    ///
    /// The death of a writer does not end the wait, as another one may come. If none does, this waits for ever:
    /// [`wait_newer_timeout`](Self::wait_newer_timeout) has a limit. If `seen` is ahead of the version, for instance because it is
    /// from another segment, this waits until the version is past it.
    pub fn wait_newer(&self, seen: u64) -> u64 {
        loop {
            if let Ok(newer) = self.wait_newer_timeout(seen, Duration::MAX) {
                return newer;
            }
        }
    }

    /// Waits as [`wait_newer`](Self::wait_newer) does, for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// [`TimedOut`]: no newer version was committed.
    pub fn wait_newer_timeout(&self, seen: u64, timeout: Duration) -> Result<u64, TimedOut> {
        // What is there already needs no clock.
        if let Some(newer) = protocol::newer_than::<Correct<A>>(&self.version, seen) {
            return Ok(newer);
        }
        let mut sleeper = Sleeper::through::<A>(Deadline::after(timeout));
        protocol::wait_newer::<Correct<A>, _>(
            &self.version,
            &self.words.changed,
            &mut sleeper,
            seen,
        )
        .ok_or(TimedOut)
    }

    /// Copies a value to `out`, all bytes of which are initialised afterwards, and says its version. `Err` if it is the
    /// last of many that were overtaken.
    #[inline(always)]
    fn copy_to(&self, out: &mut MaybeUninit<T>) -> Result<u64, u64> {
        self.attempt(out).or_else(|_| insist(|| self.attempt(out)))
    }

    /// One try, which initialises all bytes in any case.
    #[inline(always)]
    fn attempt(&self, out: &mut MaybeUninit<T>) -> Result<u64, u64> {
        let attempt = protocol::try_read::<Correct<A>, _>(&self.version, SLOTS, |slot| {
            let place = self.slots[slot].as_mut_ptr();
            // SAFETY: the cell is live, aligned and readable; `out` is private.
            unsafe { copy::read_one(out.as_mut_ptr(), place) };
        });
        attempt
            .map(|(version, ())| version)
            .map_err(|()| protocol::latest::<Correct<A>>(&self.version))
    }

    /// Copies a value to `out`, if it is a whole one, and valid.
    fn copy_checked(&self, out: &mut MaybeUninit<T>) -> Result<u64, ReadError> {
        let version = self.copy_to(out).map_err(|_| ReadError::Contended)?;
        // SAFETY: all bytes are initialised, and private.
        unsafe { checked::validate(out.as_mut_ptr().cast(), T::LAYOUT, 0) }
            .map_err(ReadError::Invalid)?;
        Ok(version)
    }
}

/// Tries again, after one failure, until it succeeds or has tried for long enough.
#[cold]
fn insist<R, E>(mut attempt: impl FnMut() -> Result<R, E>) -> Result<R, E> {
    let (start, mut tries) = (Instant::now(), 1);
    loop {
        spin_loop();
        let result = attempt();
        tries += 1;
        if result.is_ok() || (tries >= TRIES && start.elapsed() >= PATIENCE) {
            return result;
        }
    }
}

impl<T: ShmLayout, const SLOTS: usize, A: Access> fmt::Debug for SeqLock<T, SLOTS, A> {
    /// The present value is looked at leaf by leaf, so it may be shown partly newer.
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
    fn trying_ends_after_a_second_and_a_thousand_times() {
        let (start, mut tries) = (Instant::now(), 1_u32);
        let quick = insist(|| {
            tries += 1;
            Err::<(), u32>(tries)
        });
        assert!(start.elapsed() >= PATIENCE);
        assert_eq!(quick, Err(tries));

        let mut tries = 1;
        let slow = insist(|| {
            tries += 1;
            // More time than there is, for every one.
            let start = Instant::now();
            while start.elapsed() < PATIENCE / 500 {
                spin_loop();
            }
            Err::<(), u32>(tries)
        });
        assert_eq!(slow, Err(TRIES));

        let mut tries = 1;
        let lucky = insist(|| {
            tries += 1;
            if tries < 5 { Err(tries) } else { Ok(tries) }
        });
        assert_eq!(lucky, Ok(5));
    }
}
