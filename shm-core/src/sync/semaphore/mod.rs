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
/// sleeps while there is none.
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
/// - Killed at any instruction, a process has taken a permit or not, and posted one or not. If it was about to wake another
///   process, or had just been woken, the other waiters see the permit at their [next look](super#when-a-process-dies).
/// - Fork children wait and post like any other process.
///
/// # What a peer can do
///
/// A peer that may write to the segment can post and take any number of permits, and so keep callers of [`wait`](Self::wait)
/// waiting for ever or let all of them pass. [`wait_timeout`](Self::wait_timeout) still ends.
///
/// # Cost
///
/// Posting and waiting take one compare-and-swap each. Posting takes one or two system calls if a process sleeps or has just
/// slept. A waiter that finds no permit spins for a moment before it sleeps. A semaphore takes 4 bytes.
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
    /// The greatest number of permits, 2^31 - 1.
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

    /// Adds `permits` permits at once, and wakes as many waiters.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] if there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS). No permit was added. While a peer
    /// rewrites the semaphore without a pause, this error is possible from half as many permits on.
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
    /// Another process may change the semaphore in the few instructions between the load and the compare-and-swap. If that
    /// happens a thousand times in a row, as with a peer that writes all the time, this returns `false` although there may be a
    /// permit.
    #[doc(alias = "sem_trywait")]
    #[must_use = "without a permit the caller must not go on"]
    #[inline]
    pub fn try_wait(&self) -> bool
    where
        A: Writable,
    {
        protocol::take::<Correct>(&self.word)
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
        while !protocol::take::<Correct>(&self.word) && !self.sleep(|| Deadline::NEVER) {}
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
        self.wait_until(|| Deadline::after(timeout))
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
        self.wait_until(|| Deadline::at(deadline))
    }

    #[inline(always)]
    fn wait_until(&self, deadline: impl FnOnce() -> Deadline) -> Result<(), TimedOut> {
        (protocol::take::<Correct>(&self.word) || self.sleep(deadline))
            .then_some(())
            .ok_or(TimedOut)
    }

    #[cold]
    fn sleep(&self, deadline: impl FnOnce() -> Deadline) -> bool {
        protocol::wait::<Correct, _>(&self.word, &mut Sleeper::until(deadline()))
    }
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
