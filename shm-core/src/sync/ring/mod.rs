//! A bounded queue from one process to another: [`Ring`], its ends, and what can become of a message.

// - `crate::protocol::ring`: the counters in shared memory, and how the two ends wait for each other;
// - this file: the type, and its layout;
// - `end`: what the two ends have in common: a claim, timeout, and a cached counter;
// - `sender`, `receiver`: the ends;
// - `error`: what can become of a message.

mod end;
mod error;
mod receiver;
mod sender;

use std::fmt;
use std::time::Duration;

use self::end::{EndState, HeldEnd};
use crate::access::{Access, ReadWrite, Writable, acquire};
use crate::cell::ShmCell;
use crate::claim::word::Timeout;
use crate::diagnostics::refused_as_a_whole;
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::padded::Padded;
use crate::protocol::ring::Counters;
use crate::shm_layout::ShmLayout;
use crate::sync::ClaimError;
use crate::sync::layout::sync_layout;
use crate::sys::clock::Deadline;

pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use sender::Sender;

/// A queue of at most `N` messages from one process to another, which survives the death of both.
///
/// One process at a time has the [`sender`](Self::sender), one at a time the [`receiver`](Self::receiver); both may be in one
/// process. Messages are copied into the segment and out of it, and each is received once, in the order in which it was
/// sent. The functions and their errors are those of `std::sync::mpsc`. For several receivers that each see everything there
/// is [`Broadcast`](crate::sync::Broadcast); for one of several workers to take each message, give every worker a ring.
///
/// Messages that are copied have to be `Copy`. Others, such as a [`ShmVec`](crate::ShmVec), are written and read where they
/// lie, by [`send_with`](Sender::send_with) and [`recv_with`](Receiver::recv_with).
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Ring;
///
/// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
/// #[repr(C)]
/// struct Job { id: u64, size: u64 }
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Work { jobs: Ring<Job, 64> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-ring-{}", std::process::id());
/// // One process:
/// let shm = Work::create(&name)?;
/// let mut jobs = shm.jobs.sender()?;
/// jobs.send(Job { id: 1, size: 100 })?;
/// jobs.send(Job { id: 2, size: 200 })?;
///
/// // Another process:
/// let other = Work::attach(&name)?;
/// let mut todo = other.jobs.receiver()?;
/// assert_eq!(todo.recv()?.id, 1);
///
/// drop(jobs); // what was sent is still there
/// assert_eq!(todo.iter().map(|job| job.id).collect::<Vec<_>>(), [2]);
/// assert!(todo.recv().is_err());
/// # Ok(()) }
/// ```
///
/// A ring without slots does not build:
///
/// ```compile_fail,E0080
/// use shm_core::ShmLayout;
/// use shm_core::sync::Ring;
///
/// let nothing = Ring::<u64, 0>::create_anonymous();
/// ```
///
/// # Memory ordering
///
/// Who receives a message sees everything that its sender did before it was sent, in the segment and elsewhere in shared
/// memory. Who sees that there is room again sees all that the receiver did before.
///
/// # When a process dies
///
/// - The sender dies, or drops its end: the receiver gets all that was sent, and after that is told
///   [`Disconnected`](super::TryRecvError::Disconnected), within 50 ms of a death once the kernel has released what the process
///   had. A message that was being written is not there at all.
/// - The receiver dies, or drops its end: sending goes on until the ring is full, and then is `Disconnected`.
/// - Another process can claim the end as soon as the kernel has released what the dead one had. For some milliseconds
///   after a kill that one may still count as alive, and [`receiver`](Self::receiver) says [`Taken`](super::ClaimError::Taken);
///   [`receiver_timeout`](Self::receiver_timeout) and [`sender_timeout`](Self::sender_timeout) wait that long. After `waitpid`
///   there is nothing to wait for. It goes on where the one before has stopped: [`Sender::position`] and [`Receiver::position`] tell how far that was. The process at the other end notices
///   nothing, or calls again after `Disconnected`.
/// - As long as nobody has come to the other end, it is waited for.
/// - Who has been told `Disconnected` waits for the next one with [`Receiver::wait_for_sender`] or
///   [`Sender::wait_for_receiver`].
/// - With [`recv`](Receiver::recv) a message is received at most once: it goes with a receiver that is killed just after. With
///   [`recv_with`](Receiver::recv_with) it is received at least once: it counts only when it has been dealt with.
/// - A process that is stopped lives, and keeps its end.
/// - In a fork child the ends that it inherited are its parent's. They are `Disconnected` there, and dropping them does
///   nothing. A message that is being made or dealt with in place during the fork is the parent's too.
///
/// # What a peer can do
///
/// One that may write the segment can make the receiver get any messages, or those that are there again, keep either end
/// waiting, and take an end that somebody has. What the counters say is checked each time, so nobody reads or writes
/// outside of the ring because of it, and calls with a timeout end.
///
/// # Cost
///
/// Sending and receiving are a copy of the message, one atomic exchange and a few loads each, and no system call while the
/// other end keeps up. [`send_slice`](Sender::send_slice) and [`recv_slice`](Receiver::recv_slice) make one exchange for many
/// messages. Who has nothing to do looks again for some microseconds and then sleeps; who finds the other asleep makes one
/// system call to wake it. A division by `N` is part of each; it is free where `N` is a power of two.
///
/// The words of either end lie on 128 bytes of their own, and so a ring is aligned to 128: put rings first in a struct, or
/// alone.
///
/// Through a read-only handle a ring can be looked at ([`len`](Self::len), [`sent`](Self::sent)), and not taken part in.
#[repr(C)]
pub struct Ring<T, const N: usize, A: Access = ReadWrite> {
    sender: Padded<EndState>,
    receiver: Padded<EndState>,
    counters: Counters,
    slots: [ShmCell<T, A>; N],
}
refused_as_a_whole!([T, const N: usize] Ring<T, N>);

sync_layout! {
    impl[T: ShmLayout, const N: usize] Ring[T, N], RING.claiming();
    sender at sender.0.claim: AtomicU32::LAYOUT;
    sender_came at sender.0.joined: AtomicU32::LAYOUT;
    receiver at receiver.0.claim: AtomicU32::LAYOUT;
    receiver_came at receiver.0.joined: AtomicU32::LAYOUT;
    tail at counters.tail: AtomicU64::LAYOUT;
    head at counters.head: AtomicU64::LAYOUT;
    data at counters.data: AtomicU32::LAYOUT;
    room at counters.room: AtomicU32::LAYOUT;
    slots at slots: <[T; N]>::LAYOUT;
}

impl<T: ShmLayout, const N: usize, A: Access> Ring<T, N, A> {
    /// Claims the sending end, if no living process has it.
    ///
    /// A dead sender's is taken over: what it has sent stays sent, and what it was writing when it died was not.
    ///
    /// # Errors
    ///
    /// [`Taken`](ClaimError::Taken); [`Unregistered`](ClaimError::Unregistered).
    pub fn sender(&self) -> Result<Sender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable().send_within(Timeout::Now)
    }

    /// Claims the sending end, waiting for at most `timeout` until its owner drops it or dies.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender).
    pub fn sender_timeout(&self, timeout: Duration) -> Result<Sender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable()
            .send_within(Timeout::At(Deadline::after(timeout)))
    }

    /// Claims the receiving end, if no living process has it.
    ///
    /// A dead receiver's is taken over: all that it has not received is still there.
    ///
    /// # Errors
    ///
    /// [`Taken`](ClaimError::Taken); [`Unregistered`](ClaimError::Unregistered).
    pub fn receiver(&self) -> Result<Receiver<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable().receive_within(Timeout::Now)
    }

    /// Claims the receiving end, waiting for at most `timeout` until its owner drops it or dies.
    ///
    /// # Errors
    ///
    /// As [`receiver`](Self::receiver).
    pub fn receiver_timeout(&self, timeout: Duration) -> Result<Receiver<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable()
            .receive_within(Timeout::At(Deadline::after(timeout)))
    }

    /// Messages that have been sent and not received; at most `N`. It may be another number by the time that it is looked
    /// at.
    #[must_use]
    pub fn len(&self) -> usize {
        // In this order: the other counter is never behind this one.
        let head = self.received();
        let there = self.sent().wrapping_sub(head);
        usize::try_from(there).map_or(N, |there| there.min(N))
    }

    /// Whether everything that was sent has been received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that there is room for: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Messages that were ever sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        acquire::<A, AtomicU64>(&self.counters.tail)
    }

    /// Messages that were ever received.
    #[must_use]
    pub fn received(&self) -> u64 {
        acquire::<A, AtomicU64>(&self.counters.head)
    }

    fn writable(&self) -> &Ring<T, N>
    where
        A: Writable,
    {
        let ring = std::ptr::from_ref(self).cast::<Ring<T, N>>();
        // SAFETY: `A`, which has no bytes, is `ReadWrite`: nothing else is `Writable`.
        unsafe { &*ring }
    }
}

impl<T: ShmLayout, const N: usize> Ring<T, N> {
    fn send_within(&self, timeout: Timeout) -> Result<Sender<'_, T, N>, ClaimError> {
        let end = HeldEnd::claim(&self.counters, &self.sender, &self.receiver, timeout)?;
        Ok(Sender::new(end, &self.slots))
    }

    fn receive_within(&self, timeout: Timeout) -> Result<Receiver<'_, T, N>, ClaimError> {
        let end = HeldEnd::claim(&self.counters, &self.receiver, &self.sender, timeout)?;
        Ok(Receiver::new(end, &self.slots))
    }
}

impl<T: ShmLayout, const N: usize, A: Access> fmt::Debug for Ring<T, N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &N)
            .field("sent", &self.sent())
            .field("received", &self.received())
            .finish_non_exhaustive()
    }
}
