//! The semaphore. [`protocol`] has its states, orderings and crash story.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crate::access::{Access, ReadWrite, Writable};
use crate::error::debug_with_text;
use crate::primitive::AtomicU32;
use crate::protocol::semaphore::{self as protocol, Correct, MAX_PERMITS};
use crate::sync::TimedOut;
use crate::sync::layout::sync_layout;
use crate::sync::sleeper::{Futex, Sleeper};
use crate::sys::clock::Deadline;

/// A POSIX counting semaphore: a number of permits. [`post`](Self::post) adds one, [`wait`](Self::wait) takes one,
/// and sleeps while there is none.
///
/// A new one has no permits. It counts things that belong to nobody, such as free places or finished jobs, and any
/// process may post, whether it has taken a permit or not.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Semaphore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-semaphore-{}", std::process::id());
/// // At most four at a time. The name appears when the permits are there.
/// let downloads = Semaphore::create_with(&name, |new| new.post_many(4).expect("four are not too many"))?;
///
/// downloads.wait();
/// assert_eq!(downloads.value(), 3);
/// downloads.post()?;
/// # Ok(()) }
/// ```
///
/// Waiters make progress, but there is no promise of fairness: who comes later can be first.
///
/// # Memory ordering
///
/// What was done before a post is visible to who has taken a permit after it.
///
/// # When a process dies
///
/// **The permits that it has taken stay taken**, as with POSIX semaphores: a permit does not say who has it. For
/// what must come back use a [`Mutex`](crate::sync::Mutex), which the next one gets. Permits that it has posted stay
/// too. Killed at any instruction it leaves a permit taken or not taken, posted or not posted. If it was to wake
/// somebody, or was just woken, the others see the permit within 50 ms.
///
/// A fork child waits and posts like any other process. Through a read-only handle there is only
/// [`value`](Self::value).
///
/// # What a peer can do
///
/// One that may write the segment can post and take as much as it likes, and so keep who [`wait`](Self::wait)s waiting for
/// ever, or let everybody pass. [`wait_timeout`](Self::wait_timeout) ends all the same.
///
/// # Cost
///
/// Posting and waiting is one compare-and-swap each, without a system call, while nobody sleeps or has just slept; else a
/// post makes one or two. Who finds no permit looks again for a moment before it sleeps. A semaphore has 4 bytes.
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
    /// The most permits there can be, 2^31 - 1.
    #[doc(alias = "SEM_VALUE_MAX")]
    pub const MOST: u32 = MAX_PERMITS;

    /// How many permits there are. By the time the caller looks at it, it may be another number.
    #[doc(alias = "sem_getvalue")]
    #[must_use]
    #[inline]
    pub fn value(&self) -> u32 {
        protocol::permits(&self.word)
    }

    /// Adds a permit, and wakes one who waits for it.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`]: there are [`MOST`](Self::MOST) already (POSIX: `EOVERFLOW`). None was added.
    #[doc(alias = "sem_post")]
    #[inline]
    pub fn post(&self) -> Result<(), TooManyPermits>
    where
        A: Writable,
    {
        self.post_many(1)
    }

    /// Adds so many permits at once, and wakes as many who wait for one.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`]: there would be more than [`MOST`](Self::MOST). None was added. Beside a peer that rewrites the
    /// semaphore without a pause it may also come from half as many on.
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
    /// Others may be quicker, each time in the few instructions between a look and a try. If they are a thousand times in a
    /// row, as beside a peer that does nothing but write, this is `false` although there may be a permit.
    #[doc(alias = "sem_trywait")]
    #[must_use = "without a permit the caller must not go on"]
    #[inline]
    pub fn try_wait(&self) -> bool
    where
        A: Writable,
    {
        protocol::take::<Correct>(&self.word)
    }

    /// Takes a permit, waiting for one as long as it takes.
    ///
    /// If everybody who might post has died it waits for ever: [`wait_timeout`](Self::wait_timeout) does not.
    #[doc(alias = "sem_wait")]
    #[inline]
    pub fn wait(&self)
    where
        A: Writable,
    {
        // The clock does not come to the end of this.
        while !protocol::take::<Correct>(&self.word) && !self.sleep(Duration::MAX) {}
    }

    /// Takes a permit, waiting for one for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// [`TimedOut`]: nobody has posted one, or others were faster. It does not say whether anybody lives who would.
    #[doc(alias = "sem_timedwait")]
    #[doc(alias = "sem_clockwait")]
    #[inline]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), TimedOut>
    where
        A: Writable,
    {
        (protocol::take::<Correct>(&self.word) || self.sleep(timeout))
            .then_some(())
            .ok_or(TimedOut)
    }

    #[cold]
    fn sleep(&self, timeout: Duration) -> bool {
        let deadline = Deadline::after(timeout);
        protocol::wait::<Correct, _>(&self.word, &mut Sleeper::until(deadline))
    }
}

impl<A: Access> fmt::Debug for Semaphore<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("value", &self.value())
            .finish()
    }
}

/// A semaphore has no room for the permits that were to be added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TooManyPermits;

impl fmt::Display for TooManyPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the semaphore would have more than {MAX_PERMITS} permits; somebody posts what nobody waits for"
        )
    }
}

impl Error for TooManyPermits {}

debug_with_text! { struct TooManyPermits; }
