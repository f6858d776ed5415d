//! A bounded queue from one process to another: [`Ring`], its ends and their errors.

// - `crate::protocol::ring`: the counters in shared memory, and how the two ends wait for each other;
// - this file: the type and its layout;
// - `end`: the common part of both ends: the claim, waiting, and the cached counter;
// - `sender`, `receiver`: the ends;
// - `in_place`, `chunk`: one and several messages in their slots;
// - `iter`: the iterators of a receiver;
// - `error`: their errors.

mod chunk;
mod end;
mod error;
mod in_place;
mod iter;
mod receiver;
mod sender;

use std::fmt;
use std::time::{Duration, Instant};

use self::end::{EndState, HeldEnd, ReceiverState};
use crate::access::{Access, ReadWrite, Writable, acquire};
use crate::cell::ShmCell;
use crate::claim::word::Timeout;
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::padded::Padded;
use crate::protocol::ring::{Correct, Counters, counts};
use crate::shm_layout::ShmLayout;
use crate::sync::layout::sync_layout;
use crate::sync::{ClaimError, Owner};
use crate::sys::clock::Deadline;

pub use chunk::{ReadChunk, WriteChunk};
pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use iter::{IntoIter, Iter, TryIter};
pub use receiver::Receiver;
pub use sender::Sender;

/// A bounded queue of `N` slots from one process to another, which survives the death of both.
///
/// One process at a time holds the [`sender`](Self::sender), and one at a time the [`receiver`](Self::receiver); both may be in
/// one process. Messages are copied into the segment and out of it. Each is received once, in the order in which they were
/// sent. The methods and their errors are those of `std::sync::mpsc`. If several receivers need every message, use
/// [`Broadcast`](crate::sync::Broadcast). If several workers share the messages, give each a ring.
///
/// Messages that are copied have to be `Copy`. Others, such as a [`ShmVec`](crate::ShmVec), are written and read in their slot,
/// with [`send_with`](Sender::send_with) and [`recv_with`](Receiver::recv_with).
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
/// // In one process:
/// let shm = Work::create(&name)?;
/// let mut jobs = shm.jobs.sender()?;
/// jobs.send(Job { id: 1, size: 100 })?;
/// jobs.send(Job { id: 2, size: 200 })?;
///
/// // In another process:
/// let other = Work::attach(&name)?;
/// let mut todo = other.jobs.receiver()?;
/// assert_eq!(todo.recv()?.id, 1);
///
/// drop(jobs); // what was sent stays in the ring
/// assert_eq!(todo.iter().map(|job| job.id).collect::<Vec<_>>(), [2]);
/// assert!(todo.recv().is_err());
/// # Ok(()) }
/// ```
///
/// A ring without slots does not compile:
///
/// ```compile_fail,E0080
/// use shm_core::ShmLayout;
/// use shm_core::sync::Ring;
///
/// let nothing = Ring::<u64, 0>::create_anonymous();
/// ```
///
/// # Coming from `rtrb` or `crossbeam`
///
/// | there | here |
/// |---|---|
/// | `push`, `pop` | [`try_send`](Sender::try_send), [`try_recv`](Receiver::try_recv), and calls that wait |
/// | `peek` | [`peek`](Receiver::peek), as a cell |
/// | `write_chunk(n)`, `write_chunk_uninit(n)` | [`try_write_chunk`](Sender::try_write_chunk) with up to `n` slots, as slices have it; compare [`len`](WriteChunk::len) where it has to be `n` |
/// | `as_mut_slices` | [`as_slices`](WriteChunk::as_slices), of cells: a `&mut` would promise that no other process touches the slot |
/// | `fill_from_iter` | [`iter`](WriteChunk::iter) with `zip`, then [`commit`](WriteChunk::commit) |
/// | `read_chunk(n)` | [`try_read_chunk`](Receiver::try_read_chunk). It has no consuming iterator: [`commit`](ReadChunk::commit) says how many were handled |
/// | `push_partial_slice`, `pop_partial_slice` | [`try_send_slice`](Sender::try_send_slice), [`try_recv_slice`](Receiver::try_recv_slice) |
/// | `push_entire_slice`, `pop_entire_slice` | a look at [`len`](Self::len) first: room, or messages, only become more until this end uses them |
/// | `slots`, `is_full` | [`len`](Self::len) and [`capacity`](Self::capacity) |
/// | `is_abandoned` | [`is_disconnected`](Receiver::is_disconnected): while no process has ever joined, an end is not abandoned |
/// | `Producer<u8>: io::Write` | [`send_slice`](Sender::send_slice): a ring carries messages, and its errors contain them |
/// | `clone` of a crossbeam end, `select!` | none: one process per end |
///
/// Through a read-only handle a ring can be observed ([`len`](Self::len), [`sent`](Self::sent),
/// [`sender_owner`](Self::sender_owner)), but its ends cannot be claimed.
///
/// # Memory ordering
///
/// A receiver that has received a message sees everything that its sender did before it sent the message, in the segment and
/// in other shared memory. A sender that has sent a message into a slot that was freed sees everything that the receiver did
/// before it freed the slot.
///
/// # When a process dies
///
/// - **The sender**, or it drops its end: the receiver gets everything that was sent, then
///   [`Disconnected`](super::TryRecvError::Disconnected): after a death at its [next look](super#when-a-process-dies) after
///   the kernel has released what the process held. A message that was being written is not received.
/// - **The receiver**, or it drops its end: sending works until the ring is full, and then is `Disconnected`.
/// - **The successor** can claim the end as soon as the kernel has released what the dead process held. For some milliseconds
///   after a kill the dead process may still count as alive, and [`receiver`](Self::receiver) returns
///   [`Taken`](super::ClaimError::Taken); [`receiver_timeout`](Self::receiver_timeout) and
///   [`sender_timeout`](Self::sender_timeout) wait that long. After `waitpid` no wait is needed. The successor continues where
///   the dead process stopped: [`Sender::position`] and [`Receiver::position`] say where that is. The process at the other end
///   notices nothing, or retries after `Disconnected`.
/// - As long as no process has ever claimed the other end, calls wait for one. After `Disconnected`,
///   [`Receiver::wait_for_sender`] and [`Sender::wait_for_receiver`] wait for the next one. An end that is made
///   [`reconnecting`](Receiver::reconnecting) waits for the next one in every call, and never returns `Disconnected`.
/// - [`recv`](Receiver::recv) delivers at most once: a receiver that is killed just after it loses the message.
///   [`recv_with`](Receiver::recv_with) delivers at least once: a message counts as received when the closure has returned. It
///   hands the closure the number of deliveries, so that a message that kills each of its receivers can be set aside.
/// - A process that is only stopped is alive, and keeps its end.
/// - In a fork child inherited ends are the parent's: calls are `Disconnected`, and dropping the ends does nothing. This also
///   holds for a message that a closure is writing or reading while it forks.
///
/// # What a peer can do
///
/// A peer that may write to the segment can make the receiver get any messages, or the same ones again. It can keep either end
/// waiting, and claim an end that another process holds. The counters are checked at each use, so nothing outside of the ring
/// is read or written because of it, and calls with a timeout end.
///
/// # Cost
///
/// Sending and receiving each take a copy of the message, a store and a few loads, and no system call while the other end keeps up.
/// Where the process is not [registered](super#memory-barriers) for memory barriers, each takes an atomic exchange instead of
/// the store. [`send_slice`](Sender::send_slice) and [`recv_slice`](Receiver::recv_slice) make one for many messages, and so do
/// [`write_chunk`](Sender::write_chunk) and [`read_chunk`](Receiver::read_chunk).
/// [`recv_with`](Receiver::recv_with) makes one more load and store, to count the delivery.
///
/// A sender that keeps finding the ring full is not woken for each slot: from its third sleep in a row the receiver wakes it when half
/// of the slots are free. If the receiver stops before that, the sender finds the free slots a millisecond after it fell asleep at
/// the latest, and from then on the first free slot wakes it. Calls with a timeout use the slots that are free when it is over.
///
/// An end that has nothing to do spins for some microseconds and then sleeps; waking it takes the other end one system call. Each
/// message takes a division by `N`, which is free if `N` is a power of two.
///
/// The words of each end have 128 bytes of their own, so a ring is aligned to 128: put rings first in a struct, or alone.
#[repr(C)]
pub struct Ring<T, const N: usize, A: Access = ReadWrite> {
    sender: Padded<EndState>,
    receiver: Padded<ReceiverState>,
    counters: Counters,
    slots: [ShmCell<T, A>; N],
}

// The names of the fields are part of the format.
sync_layout! {
    impl[T: ShmLayout, const N: usize] if T in[T: 'static, const N: usize] Ring[T, N], RING.claiming();
    sender at sender.0.claim: AtomicU32::LAYOUT;
    sender_joined at sender.0.joined: AtomicU32::LAYOUT;
    receiver at receiver.0.end.claim: AtomicU32::LAYOUT;
    receiver_joined at receiver.0.end.joined: AtomicU32::LAYOUT;
    deliveries at receiver.0.deliveries: AtomicU64::LAYOUT;
    tail at counters.tail: AtomicU64::LAYOUT;
    head at counters.head: AtomicU64::LAYOUT;
    data at counters.data: AtomicU32::LAYOUT;
    room at counters.room: AtomicU32::LAYOUT;
    slots at slots: <[T; N]>::LAYOUT;
}

impl<T: ShmLayout, const N: usize, A: Access> Ring<T, N, A> {
    /// Claims the sending end, unless a living process holds it.
    ///
    /// After a dead sender, everything that it sent stays sent. A message that it was writing when it died does not count.
    ///
    /// # Errors
    ///
    /// [`Taken`](ClaimError::Taken); [`Unregistered`](ClaimError::Unregistered).
    pub fn sender(&self) -> Result<Sender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable().claim_sender(Timeout::Now)
    }

    /// Claims the sending end, and waits for at most `timeout` on the monotonic clock until its owner drops it or dies.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender).
    pub fn sender_timeout(&self, timeout: Duration) -> Result<Sender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable()
            .claim_sender(Timeout::At(Deadline::after(timeout)))
    }

    /// Claims the sending end as [`sender_timeout`](Self::sender_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`sender_timeout`](Self::sender_timeout).
    pub fn sender_deadline(&self, deadline: Instant) -> Result<Sender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable()
            .claim_sender(Timeout::At(Deadline::at(deadline)))
    }

    /// Claims the receiving end, unless a living process holds it.
    ///
    /// After a dead receiver, everything that it did not receive is still in the ring.
    ///
    /// # Errors
    ///
    /// [`Taken`](ClaimError::Taken); [`Unregistered`](ClaimError::Unregistered).
    pub fn receiver(&self) -> Result<Receiver<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable().claim_receiver(Timeout::Now)
    }

    /// Claims the receiving end, and waits for at most `timeout` on the monotonic clock until its owner drops it or dies.
    ///
    /// # Errors
    ///
    /// As [`receiver`](Self::receiver).
    pub fn receiver_timeout(&self, timeout: Duration) -> Result<Receiver<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable()
            .claim_receiver(Timeout::At(Deadline::after(timeout)))
    }

    /// Claims the receiving end as [`receiver_timeout`](Self::receiver_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`receiver_timeout`](Self::receiver_timeout).
    pub fn receiver_deadline(&self, deadline: Instant) -> Result<Receiver<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        self.writable()
            .claim_receiver(Timeout::At(Deadline::at(deadline)))
    }

    /// The process that holds the sending end, dead or alive. `None` if no process does. It costs a load if the end is free, and
    /// some system calls otherwise.
    #[must_use]
    pub fn sender_owner(&self) -> Option<Owner> {
        Owner::of::<A>(&self.sender.claim)
    }

    /// The process that holds the receiving end, dead or alive. `None` if no process does. It costs a load if the end is free, and
    /// some system calls otherwise.
    #[must_use]
    pub fn receiver_owner(&self) -> Option<Owner> {
        Owner::of::<A>(&self.receiver.end.claim)
    }

    /// The number of messages in the ring: those sent and not yet received, at most `N`. It may have changed by the time the
    /// caller uses it.
    #[must_use]
    pub fn len(&self) -> usize {
        let (received, sent) = counts::<Correct>(&self.counters, A::WRITABLE);
        let len = sent.wrapping_sub(received);
        usize::try_from(len).map_or(N, |len| len.min(N))
    }

    /// Whether the ring has no messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of slots: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The number of messages sent since the ring was created.
    #[must_use]
    pub fn sent(&self) -> u64 {
        acquire::<A, AtomicU64>(&self.counters.tail)
    }

    /// The number of messages received since the ring was created.
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
    fn claim_sender(&self, timeout: Timeout) -> Result<Sender<'_, T, N>, ClaimError> {
        let end = HeldEnd::claim(&self.counters, &self.sender, &self.receiver.end, timeout)?;
        Ok(Sender::new(end, &self.slots))
    }

    fn claim_receiver(&self, timeout: Timeout) -> Result<Receiver<'_, T, N>, ClaimError> {
        let end = HeldEnd::claim(&self.counters, &self.receiver.end, &self.sender, timeout)?;
        Ok(Receiver::new(end, &self.receiver.deliveries, &self.slots))
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
