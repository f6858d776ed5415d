//! A queue with one sender and any number of receivers, where slow receivers lose messages: [`Broadcast`], its ends and their
//! errors.
//!
//! The errors of a [`Ring`](super::Ring) have the same names, and are in [`sync`](super) itself.

// - `crate::protocol::broadcast`: the steps on the shared words, and their crash story;
// - this file: the type and its layout;
// - `sender`, `receiver`: the ends;
// - `error`: their errors.

mod error;
mod receiver;
mod sender;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::time::{Duration, Instant};

use crate::access::{Access, ReadWrite, Writable};
use crate::cell::ShmCell;
use crate::claim::word::{ClaimWord, Timeout};
use crate::diagnostics::CopiedIn;
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::broadcast::{self as protocol, Correct, Counters};
use crate::protocol::liveness::PeerState;
use crate::protocol::padded::Padded;
use crate::shm_layout::ShmLayout;
use crate::sync::layout::sync_layout;
use crate::sync::{ClaimError, Owner};
use crate::sys::clock::Deadline;

pub use error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
pub use receiver::BroadcastReceiver;
pub use sender::BroadcastSender;

/// A queue of `N` slots from one process to any number of others, in which the sender never waits: receivers that fall behind
/// lose messages, and get [`Lagged(n)`](RecvError::Lagged).
///
/// One process at a time holds the [`sender`](Self::sender). Every [`receiver`](Self::receiver) gets every message, in the
/// order in which they were sent, as long as it is less than `N` messages behind. Receivers write nothing, so they work through
/// a read-only mapping; their number makes no difference to the sender, which does not know of them. For one receiver that must
/// not lose messages use a [`Ring`](crate::sync::Ring); if only the newest value matters, use a
/// [`SeqLock`](crate::sync::SeqLock). Messages have to be `Copy`.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Broadcast;
/// use shm_core::sync::broadcast::TryRecvError;
///
/// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
/// #[repr(C)]
/// struct Tick { number: u64, price: f64 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-broadcast-{}", std::process::id());
/// // In one process:
/// let ticks = Broadcast::<Tick, 4>::create(&name)?;
/// let mut sender = ticks.sender()?;
///
/// // In any other process:
/// let shm = Broadcast::<Tick, 4>::attach_read_only(&name)?;
/// let mut receiver = shm.receiver();
///
/// for number in 0..6 {
///     sender.send(Tick { number, price: 1.5 })?;
/// }
/// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(2))));
/// assert_eq!(receiver.recv()?, Tick { number: 2, price: 1.5 });
/// # Ok(()) }
/// ```
///
/// # Number and lag of receivers
///
/// A receiver knows how many messages it has yet to receive: [`behind`](BroadcastReceiver::behind), of which
/// [`capacity`](Self::capacity) are still there. The queue knows neither how many receivers there are nor how far they lag. Only
/// the receivers could count themselves, and they write nothing, so that a read-only handle is enough and a receiver that is
/// killed leaves nothing behind. Where a sender or a monitor has to know, let each receiver hold a lock of its own and store its
/// [`position`](BroadcastReceiver::position) in it: see [the patterns](crate::guide::patterns#feed).
///
/// # Memory ordering
///
/// A receiver that has received a message sees everything that its sender did before it sent the message.
///
/// # When a process dies
///
/// - **The sender leaves**, by dropping its end: receivers get everything that was sent, then `Disconnected`.
/// - **The sender dies**: the same, at their [next look](super#when-a-process-dies) after the kernel has torn the process down,
///   through a read-only handle too. A message that it was writing is not received, and the message that it was about to
///   overwrite counts as lost.
/// - **The successor** can claim the sender as soon as no living process holds it. It continues after the last message, and
///   receivers continue as if nothing had happened; [`wait_for_sender`](BroadcastReceiver::wait_for_sender) waits for it, and a
///   receiver that is [`reconnecting`](BroadcastReceiver::reconnecting) waits in every call and never returns `Disconnected`.
/// - As long as no process has ever claimed the sender, receivers wait for one.
/// - **A receiver dies**: nothing is left behind.
/// - A process that is only stopped is alive, and remains the sender.
/// - In a fork child an inherited sender is the parent's, and sends nothing. An inherited receiver is an independent copy.
///
/// # What a peer can do
///
/// A peer that may write to the segment can make receivers get any values, in any order, report losses that did not happen, or
/// receive nothing. Nothing outside of the queue is read because of it, and calls with a timeout end.
///
/// # Cost
///
/// Sending takes a copy and one atomic exchange, whatever the number of receivers, and a system call only if one is asleep, or
/// now and then in a segment that [wakes readers](crate::ShmOptions::wake_readers).
/// Receiving takes a copy and two loads; [`recv_with`](BroadcastReceiver::recv_with) saves the copy. Each message
/// takes a division by `N`, which is free if `N` is a power of two.
///
/// # Errors
///
/// The errors are in [`sync::broadcast`](crate::sync::broadcast). Those in [`sync`](crate::sync) with the same names, such as
/// `RecvTimeoutError`, belong to [`Ring`](crate::sync::Ring), which loses nothing and so has no `Lagged`.
#[repr(C)]
pub struct Broadcast<T, const N: usize, A: Access = ReadWrite> {
    pub(super) sender_state: Padded<SenderState>,
    pub(super) counters: Padded<Counters>,
    pub(super) slots: Padded<[ShmCell<T, A>; N]>,
}

/// The words that are rarely used.
#[repr(C)]
#[derive(Debug)]
pub(super) struct SenderState {
    pub(super) claim: ClaimWord,
    /// 1 once a process has claimed the sender.
    pub(super) joined: AtomicU32,
    pub(super) arrived: AtomicU32,
}

// The names of the fields are part of the format.
sync_layout! {
    impl[T: ShmLayout + CopiedIn<Broadcast<T, N>>, const N: usize]
    shown[T: ShmLayout + Copy, const N: usize] if T in[T: 'static, const N: usize] Broadcast[T, N], BROADCAST.claiming();
    claim at sender_state.0.claim: AtomicU32::LAYOUT;
    joined at sender_state.0.joined: AtomicU32::LAYOUT;
    arrived at sender_state.0.arrived: AtomicU32::LAYOUT;
    reserved at counters.0.reserved: AtomicU64::LAYOUT;
    tail at counters.0.tail: AtomicU64::LAYOUT;
    slots at slots: <[T; N]>::LAYOUT;
}

impl<T: ShmLayout + Copy, const N: usize, A: Access> Broadcast<T, N, A> {
    /// Claims the sender, unless a living process holds it.
    ///
    /// # Errors
    ///
    /// [`Taken`](ClaimError::Taken); [`Unregistered`](ClaimError::Unregistered).
    pub fn sender(&self) -> Result<BroadcastSender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        BroadcastSender::claim(self.writable(), Timeout::Now)
    }

    /// Claims the sender, and waits for at most `timeout` on the monotonic clock until its owner drops it or dies.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender).
    pub fn sender_timeout(&self, timeout: Duration) -> Result<BroadcastSender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        let timeout = Timeout::At(Deadline::after(timeout));
        BroadcastSender::claim(self.writable(), timeout)
    }

    /// Claims the sender as [`sender_timeout`](Self::sender_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender).
    pub fn sender_deadline(
        &self,
        deadline: Instant,
    ) -> Result<BroadcastSender<'_, T, N>, ClaimError>
    where
        A: Writable,
    {
        let timeout = Timeout::At(Deadline::at(deadline));
        BroadcastSender::claim(self.writable(), timeout)
    }

    /// Returns a receiver of everything that is sent from now on.
    pub fn receiver(&self) -> BroadcastReceiver<'_, T, N, A> {
        BroadcastReceiver::new(self, protocol::tail::<Correct<A>>(&self.counters))
    }

    /// Returns a receiver of the messages that are still in the queue, up to `N`, and of everything that is sent from now on.
    pub fn receiver_from_oldest(&self) -> BroadcastReceiver<'_, T, N, A> {
        BroadcastReceiver::new(self, protocol::oldest::<Correct<A>>(&self.counters, N))
    }

    /// The process that holds the sender, dead or alive. `None` if no process does. It costs a load if the sender is free, and some
    /// system calls otherwise.
    #[must_use]
    pub fn sender_owner(&self) -> Option<Owner> {
        Owner::of::<A>(&self.sender_state.claim)
    }

    /// The number of messages sent since the queue was created, by all senders.
    #[must_use]
    #[inline]
    pub fn sent(&self) -> u64 {
        protocol::tail::<Correct<A>>(&self.counters)
    }

    /// The number of slots, `N`.
    #[must_use]
    #[inline]
    pub const fn capacity(&self) -> usize {
        N
    }

    #[inline(always)]
    fn writable(&self) -> &Broadcast<T, N>
    where
        A: Writable,
    {
        let broadcast = std::ptr::from_ref(self).cast::<Broadcast<T, N>>();
        // SAFETY: `A`, which has no bytes, is `ReadWrite`: nothing else is `Writable`.
        unsafe { &*broadcast }
    }
}

impl<T, const N: usize, A: Access> PeerState for Broadcast<T, N, A> {
    const WRITABLE: bool = A::WRITABLE;

    #[inline]
    fn joined(&self) -> &AtomicU32 {
        &self.sender_state.joined
    }

    #[inline]
    fn owner(&self) -> u32 {
        self.sender_state.claim.owner_id::<A>()
    }

    fn is_dead(&self, owner: u32) -> bool {
        self.sender_state.claim.is_dead(owner)
    }

    fn is_known_dead(&self, owner: u32) -> bool {
        self.sender_state.claim.is_known_dead(owner)
    }
}

impl<T, const N: usize, A: Access> fmt::Debug for Broadcast<T, N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("sent", &protocol::tail::<Correct<A>>(&self.counters))
            .finish_non_exhaustive()
    }
}
