//! The event. [`protocol`] describes its states, orderings and crash behaviour.

use std::cell::LazyCell;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::access::{Access, ReadWrite, Writable};
use crate::primitive::AtomicU64;
use crate::protocol::event::{self as protocol, Correct, WaitRounds};
use crate::sync::TimedOut;
use crate::sync::layout::sync_layout;
use crate::sync::sleeper::{ReaderFutex, Sleeper};
use crate::sys::clock::Deadline;

/// A counter of notifications that processes can wait on: an *eventcount*.
///
/// An event accompanies other data of any type. A process that changes the data calls [`notify_all`](Self::notify_all)
/// afterwards. A process that waits for a change first loads the [`generation`](Self::generation), then checks the data. If
/// the data are not as it needs them, it sleeps until the generation differs. It cannot miss a notification in between, since
/// that has changed the generation already.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::time::Duration;
/// use shm_core::ShmLayout;
/// use shm_core::sync::Event;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Progress { done: AtomicU64, changed: Event }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Progress::create_anonymous()?;
/// let worker = std::thread::scope(|scope| {
///     scope.spawn(|| {
///         for _ in 0..3 {
///             shm.done.fetch_add(1, Relaxed);
///             shm.changed.notify_all();
///         }
///     });
///     loop {
///         let seen = shm.changed.generation();
///         if shm.done.load(Relaxed) == 3 {
///             return Ok(());
///         }
///         shm.changed.wait_timeout(seen, Duration::from_secs(10))?;
///     }
/// });
/// # worker.map_err(|error: shm_core::sync::TimedOut| error.into()) }
/// ```
///
/// A new event has generation 0. The generation wraps around at 2^31, so a waiter would have to miss two thousand million
/// notifications to take a new generation for an old one.
///
/// # Memory ordering
///
/// A process that sees a generation, by [`generation`](Self::generation) or by waiting, sees everything that was done before
/// the notification that made it, and before earlier ones. So the data can be plain cells and relaxed atomics.
///
/// # When a process dies
///
/// - **The process that should notify**: an event has no owner, and does not detect this. Wait with a timeout, or let that
///   process hold a [`Mutex`](crate::sync::Mutex).
/// - **A process in [`notify_one`](Self::notify_one) or [`notify_all`](Self::notify_all)**: the notification is counted, or it
///   is not. Sleepers that it did not wake check the generation at their [next look](super#when-a-process-dies).
/// - **A waiter**: nothing. If it was just woken by [`notify_one`](Self::notify_one), the notification goes to another sleeper,
///   at its next look, unless the dead process had taken it in the last instructions of its wait.
/// - A read-only handle can wait too. It cannot ask to be woken, so it [polls](super#read-only-handles).
/// - Fork children wait and notify like any other process.
///
/// # What a peer can do
///
/// A peer that may write to the segment can notify without a reason, or set the generation back, so that waiters miss
/// notifications. Waiting with a timeout still ends, and [`wait_until`](Self::wait_until) checks the data at each
/// look.
///
/// # Cost
///
/// Notifying takes one atomic addition, and one or two system calls if a process sleeps or has just slept.
/// [`generation`](Self::generation) is one load. A waiter spins for a moment before it sleeps, unless that was in vain several
/// times. An event takes 8 bytes.
///
/// In a segment that [wakes readers](crate::ShmOptions::wake_readers), each notification takes some nanoseconds more, and now
/// and then a system call although nobody sleeps.
#[repr(C)]
pub struct Event<A: Access = ReadWrite> {
    word: AtomicU64,
    access: PhantomData<A>,
}

sync_layout! {
    impl[] Event[], EVENT;
    word at word: AtomicU64::LAYOUT;
}

impl<A: Access> Event<A> {
    /// The number of notifications so far, modulo 2^31. Everything done before the last of them is visible.
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u32 {
        protocol::generation::<Correct<A>>(&self.word)
    }

    /// Waits until the generation differs from `seen`, and returns it. `seen` is an earlier result of
    /// [`generation`](Self::generation) or of a wait.
    ///
    /// The caller has to find out what changed. The change may not concern it.
    ///
    /// If every process that would notify has died, this waits for ever. [`wait_timeout`](Self::wait_timeout) has a limit.
    #[inline]
    pub fn wait(&self, seen: u32) -> u32 {
        loop {
            match self.generation() {
                now if now != seen => return now,
                _ => self.sleep(seen, || Deadline::NEVER),
            };
        }
    }

    /// Waits as [`wait`](Self::wait) does, for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// [`TimedOut`]: no notification came. The process that should notify may be alive or dead.
    #[inline]
    pub fn wait_timeout(&self, seen: u32, timeout: Duration) -> Result<u32, TimedOut> {
        self.changed_until(seen, || Deadline::after(timeout))
    }

    /// Waits as [`wait`](Self::wait) does, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    #[inline]
    pub fn wait_deadline(&self, seen: u32, deadline: Instant) -> Result<u32, TimedOut> {
        self.changed_until(seen, || Deadline::at(deadline))
    }

    #[inline(always)]
    fn changed_until(
        &self,
        seen: u32,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<u32, TimedOut> {
        match self.generation() {
            now if now != seen => Ok(now),
            _ => self.sleep(seen, deadline).ok_or(TimedOut),
        }
    }

    /// Waits until `look` returns `Some`, and returns what is in it. Calls `look` at once and after every notification.
    ///
    /// Also calls it at each [look](super#when-a-process-dies), so that a process that is killed between its change and its
    /// notification causes a delay and no missed change. If every process that would make the change has died, this waits for ever.
    pub fn wait_until<R>(&self, mut look: impl FnMut() -> Option<R>) -> R {
        loop {
            if let Ok(found) = self.found_until(|| Deadline::NEVER, &mut look) {
                return found;
            }
        }
    }

    /// Waits as [`wait_until`](Self::wait_until) does, for at most `timeout` on the monotonic clock. Calls `look` once more when
    /// the time is up, so the timeout can be zero.
    ///
    /// ```
    /// use std::time::Duration;
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Event;
    ///
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct Jobs { waiting: u64, changed: Event }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Jobs::create_anonymous()?;
    /// let jobs = std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         shm.waiting.set(3);
    ///         shm.changed.notify_all();
    ///     });
    ///     let some = || Some(shm.waiting.get()).filter(|jobs| *jobs > 0);
    ///     shm.changed.wait_until_timeout(Duration::from_secs(10), some)
    /// })?;
    /// assert_eq!(jobs, 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TimedOut`]: `look` returned `None` each time.
    pub fn wait_until_timeout<R>(
        &self,
        timeout: Duration,
        look: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        self.found_until(|| Deadline::after(timeout), look)
    }

    /// Waits as [`wait_until`](Self::wait_until) does, until `deadline` at the latest. Calls `look` once more then, so the deadline
    /// may have passed.
    ///
    /// # Errors
    ///
    /// As [`wait_until_timeout`](Self::wait_until_timeout).
    pub fn wait_until_deadline<R>(
        &self,
        deadline: Instant,
        look: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        self.found_until(|| Deadline::at(deadline), look)
    }

    fn found_until<R>(
        &self,
        deadline: impl FnOnce() -> Deadline,
        look: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        let mut sleepers = Sleepers::<'_, A, _> {
            deadline: LazyCell::new(deadline),
            word: &self.word,
            access: PhantomData,
        };
        protocol::wait_until::<Correct<A>, _, _>(&self.word, &mut sleepers, look).ok_or(TimedOut)
    }

    #[cold]
    fn sleep(&self, seen: u32, deadline: impl FnOnce() -> Deadline) -> Option<u32> {
        let mut sleeper = Sleeper::through::<A>(deadline()).paced_by(&self.word);
        protocol::wait::<Correct<A>, _>(&self.word, seen, &mut sleeper)
    }

    /// Changes the generation, and wakes one waiter.
    ///
    /// Use this if any one waiter can handle the change, as workers that take tasks from one place. One of the waiters that sleep
    /// returns, and the others sleep on. The generation has changed for all: a process that begins to wait with an earlier one
    /// returns at once, and so does one whose timeout ends. A waiter with a read-only handle returns for every notification,
    /// besides another one. If waiters wait for different things, use [`notify_all`](Self::notify_all).
    ///
    /// If the waiter that was woken is killed, another one returns at its [next look](super#when-a-process-dies), unless the
    /// first was already returning.
    #[inline]
    pub fn notify_one(&self)
    where
        A: Writable,
    {
        protocol::notify_one(&self.word, &ReaderFutex);
    }

    /// Changes the generation, and wakes all waiters.
    #[inline]
    pub fn notify_all(&self)
    where
        A: Writable,
    {
        protocol::notify_all(&self.word, &ReaderFutex);
    }
}

/// Waits that share one deadline, which is computed at the first.
struct Sleepers<'a, A, F> {
    deadline: LazyCell<Deadline, F>,
    word: &'a AtomicU64,
    access: PhantomData<A>,
}

impl<A: Access, F: FnOnce() -> Deadline> WaitRounds for Sleepers<'_, A, F> {
    type Env = Sleeper;

    fn next(&mut self) -> Option<Sleeper> {
        let deadline = *self.deadline;
        (!deadline.left().is_zero()).then(|| Sleeper::through::<A>(deadline).paced_by(self.word))
    }
}

impl<A: Access> fmt::Debug for Event<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("generation", &self.generation())
            .finish()
    }
}
