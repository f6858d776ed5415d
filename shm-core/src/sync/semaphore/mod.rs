//! The semaphore. [`protocol`] describes its states, orderings and crash behaviour.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::access::{Access, ReadWrite, Writable};
use crate::error::debug_with_text;
use crate::primitive::AtomicU32;
use crate::protocol::semaphore::{self as protocol, Correct, MAX_PERMITS};
use crate::sync::TimedOut;
use crate::sync::layout::sync_layout;
use crate::sync::sleeper::{Futex, Sleeper};
use crate::sys::clock::Deadline;

/// A POSIX counting semaphore: a number of permits. [`post`](Self::post) adds one. [`wait`](Self::wait) takes one, and
/// sleeps while there is none. [`post_many`](Self::post_many) and [`wait_many`](Self::wait_many) add and take several at once.
///
/// A new semaphore has no permits. It counts things without an owner, such as free places or finished jobs. Any process may post,
/// whether it has taken a permit or not.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Semaphore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-semaphore-{}", std::process::id());
/// // At most four at a time. The name appears once the permits have been added.
/// let downloads = Semaphore::create_with(&name, |new| new.post_many(4).expect("four permits fit"))?;
///
/// downloads.wait();
/// assert_eq!(downloads.value(), 3);
/// downloads.post()?;
/// # Ok(()) }
/// ```
///
/// Waiters make progress, but there is no promise of fairness: a later waiter may be first.
///
/// # Several permits
///
/// [`wait_many`](Self::wait_many) takes all permits that it asks for in one step, or none. It reserves nothing while it waits, so
/// processes that each want several cannot block each other half-way. The price is that it has no turn: as long as others take
/// single permits as they are posted, the number that it needs may never be there at one time. If such a process has to get
/// its turn, let all ask for the same number, or protect taking with a [`Mutex`](crate::sync::Mutex).
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Semaphore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Gigabytes of memory that jobs may use together.
/// let memory = Semaphore::create_anonymous()?;
/// memory.post_many(8)?;
///
/// memory.wait_many(6); // a large job
/// assert!(!memory.try_wait_many(3)); // there are only two, and they stay there
/// assert!(memory.try_wait_many(2));
/// memory.post_many(6)?;
/// assert_eq!(memory.value(), 6);
/// # Ok(()) }
/// ```
///
/// Through a read-only handle only [`value`](Self::value) can be called.
///
/// # Memory ordering
///
/// A process that has taken a permit sees everything that was done before the posts that it follows.
///
/// # When a process dies
///
/// - **The permits that it has taken stay taken**, as with POSIX semaphores: a permit does not record its owner. If permits
///   must come back, use a [`Mutex`](crate::sync::Mutex), which the next process gets. Permits that it has posted stay, too.
/// - Killed at any instruction, a process has taken what it wants or nothing, and posted all or nothing. If it was about to wake
///   another process, or had just been woken, the other waiters see the permit at their
///   [next look](super#when-a-process-dies).
/// - Fork children wait and post like any other process.
///
/// # What a peer can do
///
/// A peer that may write to the segment can post and take any number of permits, and so keep callers of [`wait`](Self::wait)
/// waiting for ever or let all of them pass. [`wait_timeout`](Self::wait_timeout) still ends.
///
/// # Cost
///
/// Posting and waiting take one compare-and-swap each, for any number of permits. Posting takes one or two system calls if a
/// process sleeps or has just slept. While a process sleeps that wants several permits, each post wakes all sleepers, and those
/// that do not get what they want sleep again. A waiter that does not find its permits spins for a moment before it sleeps. A
/// semaphore takes 4 bytes.
#[repr(C)]
pub struct Semaphore<A: Access = ReadWrite> {
    word: AtomicU32,
    access: PhantomData<A>,
}

sync_layout! {
    impl[] Semaphore[], SEMAPHORE;
    word at word: AtomicU32::LAYOUT;
}

impl<A: Access> Semaphore<A> {
    /// The greatest number of permits, 2^30 - 1.
    #[doc(alias = "SEM_VALUE_MAX")]
    pub const MAX_PERMITS: u32 = MAX_PERMITS;

    /// The number of permits. It may have changed by the time the caller uses it.
    #[doc(alias = "sem_getvalue")]
    #[must_use]
    #[inline]
    pub fn value(&self) -> u32 {
        protocol::permits(&self.word)
    }

    /// Adds a permit, and wakes one waiter.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] if there are [`MAX_PERMITS`](Self::MAX_PERMITS) already (POSIX: `EOVERFLOW`). No permit was added.
    #[doc(alias = "sem_post")]
    #[inline]
    pub fn post(&self) -> Result<(), TooManyPermits>
    where
        A: Writable,
    {
        self.post_many(1)
    }

    /// Adds `permits` permits at once, and wakes as many waiters, or all if one of them waits for several permits.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] if there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS). No permit was added. While a peer
    /// overwrites the semaphore all the time, this error is possible from half as many permits on, after 2^16 attempts.
    #[inline]
    pub fn post_many(&self, permits: u32) -> Result<(), TooManyPermits>
    where
        A: Writable,
    {
        protocol::post::<Correct, _>(&self.word, permits, &Futex)
            .then_some(())
            .ok_or(TooManyPermits)
    }

    /// Takes a permit if there is one. Never waits.
    ///
    /// Another process may change the semaphore in the few instructions between the load and the compare-and-swap. This then tries
    /// again, with irregular pauses, so that it takes a permit next to processes that post or take without a pause. After 2^16
    /// failures, or some 10 ms, it returns `false` although there may be a permit. Only a peer that overwrites the semaphore all
    /// the time gets it there.
    #[doc(alias = "sem_trywait")]
    #[must_use = "without a permit the caller must not go on"]
    #[inline]
    pub fn try_wait(&self) -> bool
    where
        A: Writable,
    {
        protocol::take::<Correct>(&self.word, 1)
    }

    /// Takes a permit, and waits for one as long as it takes.
    ///
    /// If every process that would post has died, this waits for ever. [`wait_timeout`](Self::wait_timeout) has a limit.
    #[doc(alias = "sem_wait")]
    #[inline]
    pub fn wait(&self)
    where
        A: Writable,
    {
        while self.take_until(1, || Deadline::NEVER).is_err() {}
    }

    /// Takes a permit, and waits for one for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// [`TimedOut`]: no permit was posted, or other processes took it first. The process that should post may be alive or dead.
    #[doc(alias = "sem_timedwait")]
    #[doc(alias = "sem_clockwait")]
    #[inline]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), TimedOut>
    where
        A: Writable,
    {
        self.take_until(1, || Deadline::after(timeout))
    }

    /// Takes a permit as [`wait_timeout`](Self::wait_timeout) does, and waits for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    #[inline]
    pub fn wait_deadline(&self, deadline: Instant) -> Result<(), TimedOut>
    where
        A: Writable,
    {
        self.take_until(1, || Deadline::at(deadline))
    }

    /// Takes `permits` permits at once if there are so many, or else none. Never waits.
    ///
    /// As [`try_wait`](Self::try_wait), it may return `false` next to a peer that overwrites the semaphore all the time.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS), which are never there.
    #[must_use = "without the permits the caller must not go on"]
    #[inline]
    #[track_caller]
    pub fn try_wait_many(&self, permits: u32) -> bool
    where
        A: Writable,
    {
        protocol::take::<Correct>(&self.word, permits) || {
            check_count(permits);
            false
        }
    }

    /// Takes `permits` permits at once, and waits until there are so many as long as it takes. Holds none of them before: see
    /// [several permits](Self#several-permits).
    ///
    /// If every process that would post has died, this waits for ever. [`wait_many_timeout`](Self::wait_many_timeout) has a limit.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS), which are never there.
    #[inline]
    #[track_caller]
    pub fn wait_many(&self, permits: u32)
    where
        A: Writable,
    {
        while self.take_until(permits, || Deadline::NEVER).is_err() {}
    }

    /// Takes `permits` permits at once, and waits until there are so many for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// [`TimedOut`]: there were never so many at one time, or other processes took some first. None was taken. The processes that
    /// should post may be alive or dead.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS), which are never there.
    #[inline]
    #[track_caller]
    pub fn wait_many_timeout(&self, permits: u32, timeout: Duration) -> Result<(), TimedOut>
    where
        A: Writable,
    {
        self.take_until(permits, || Deadline::after(timeout))
    }

    /// Takes `permits` permits as [`wait_many_timeout`](Self::wait_many_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`wait_many_timeout`](Self::wait_many_timeout).
    ///
    /// # Panics
    ///
    /// As [`wait_many_timeout`](Self::wait_many_timeout).
    #[inline]
    #[track_caller]
    pub fn wait_many_deadline(&self, permits: u32, deadline: Instant) -> Result<(), TimedOut>
    where
        A: Writable,
    {
        self.take_until(permits, || Deadline::at(deadline))
    }

    #[inline(always)]
    #[track_caller]
    fn take_until(
        &self,
        permits: u32,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(), TimedOut> {
        (protocol::take::<Correct>(&self.word, permits) || self.sleep(permits, deadline))
            .then_some(())
            .ok_or(TimedOut)
    }

    #[cold]
    #[track_caller]
    fn sleep(&self, permits: u32, deadline: impl FnOnce() -> Deadline) -> bool {
        check_count(permits);
        let mut sleeper = Sleeper::until(deadline()).paced_by(&self.word);
        protocol::wait::<Correct, _>(&self.word, permits, &mut sleeper)
    }
}

/// Refuses a number of permits for which a wait would never end. They cannot be taken, so only the slow path asks.
#[cold]
#[track_caller]
fn check_count(permits: u32) {
    assert!(
        permits <= MAX_PERMITS,
        "a semaphore never has {permits} permits; ask for at most {MAX_PERMITS}"
    );
}

impl<A: Access> fmt::Debug for Semaphore<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("value", &self.value())
            .finish()
    }
}

/// A semaphore would have more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS) permits, so none were added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TooManyPermits;

impl fmt::Display for TooManyPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the semaphore would have more than {MAX_PERMITS} permits; check that each post is matched by a wait"
        )
    }
}

impl Error for TooManyPermits {}

debug_with_text! { struct TooManyPermits; }
