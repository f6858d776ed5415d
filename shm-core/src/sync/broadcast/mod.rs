//! A queue with one sender and any number of receivers, of which slow ones lose messages: its ends, and what can become of a
//! message.
//!
//! The queue itself is [`Broadcast`]. The errors of a [`Ring`](super::Ring) have the same names, and are exported by
//! [`sync`](super) itself.

// - `crate::protocol::broadcast`: the steps on the shared words, and their crash story;
// - this file: the type;
// - `sender`, `receiver`: its ends.

mod error;
mod receiver;
mod sender;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::access::{Access, ReadWrite, Writable};
use crate::cell::ShmCell;
use crate::claim::word::{ClaimWord, Timeout};
use crate::diagnostics::refused_as_a_whole;
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::broadcast::{self as protocol, Correct, Counters};
use crate::protocol::liveness::PeerState;
use crate::protocol::padded::Padded;
use crate::shm_layout::ShmLayout;
use crate::sync::ClaimError;
use crate::sync::layout::sync_layout;
use crate::sys::clock::Deadline;

pub use error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
pub use receiver::BroadcastReceiver;
pub use sender::BroadcastSender;

/// A queue from one process to any number of others, which never makes the sender wait: who is too slow loses messages, and
/// is told how many.
///
/// One process at a time has the [`sender`](Self::sender). Every [`receiver`](Self::receiver) sees every message, in the
/// order in which they were sent, as long as it is less than `N` messages behind. Receivers write nothing, so they
/// work through a read-only mapping; how many there are makes no difference to the sender, which does not know of
/// them. For a queue that loses nothing and has one receiver use a `Ring`; where only the newest value matters, a
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
/// // One process:
/// let ticks = Broadcast::<Tick, 4>::create(&name)?;
/// let mut sender = ticks.sender()?;
///
/// // Any other process:
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
/// # When a process dies
///
/// - The sender leaves, by dropping its end: receivers get all that was sent, and after that are told `Disconnected`.
/// - The sender dies: the same, within 50 ms after the kernel has taken it apart. A message that it was just writing is not
///   there at all; the one that it was about to overwrite counts as lost.
/// - A receiver with a **read-only** mapping cannot find out that a sender was killed. To it a dead sender is one that has
///   nothing to say: use [`recv_timeout`](BroadcastReceiver::recv_timeout). It does see that one has left in order.
/// - Another process can become the sender as soon as there is none that lives. It goes on behind the last message, and
///   receivers go on as if nothing had happened: [`wait_for_sender`](BroadcastReceiver::wait_for_sender) waits for that.
/// - As long as no sender has ever come, receivers wait for one.
/// - Receivers leave nothing behind.
/// - A process that is stopped lives, and stays the sender.
/// - In a fork child an inherited sender sends nothing: it is the parent's. An inherited receiver is a copy that goes on by
///   itself.
///
/// # Memory ordering
///
/// Who receives a message sees everything that its sender did before it was sent.
///
/// # Errors
///
/// The errors are in [`sync::broadcast`](crate::sync::broadcast). Those that [`sync`](crate::sync) itself exports by the same
/// names, such as `RecvTimeoutError`, are a [`Ring`](crate::sync::Ring)'s: a ring loses nothing, and so has no `Lagged`.
///
/// # What a peer can do
///
/// One that may write the segment can make receivers get any values, in any order, be told of losses that were none, or hear
/// nothing. Nobody reads outside of the queue because of it, and calls with a timeout end.
///
/// # Cost
///
/// Sending is a copy and one atomic exchange, whoever listens; a system call only if somebody is asleep. Receiving is a copy
/// and two loads. A division by `N` is part of each; it is free where `N` is a power of two.
#[repr(C)]
pub struct Broadcast<T, const N: usize, A: Access = ReadWrite> {
    pub(super) sender_state: Padded<SenderState>,
    pub(super) counters: Padded<Counters>,
    pub(super) slots: Padded<[ShmCell<T, A>; N]>,
}

/// What is seldom looked at.
#[repr(C)]
#[derive(Debug)]
pub(super) struct SenderState {
    pub(super) claim: ClaimWord,
    /// Whether a sender has ever come.
    pub(super) joined: AtomicU32,
    pub(super) arrived: AtomicU32,
}
refused_as_a_whole!([T, const N: usize] Broadcast<T, N>);

sync_layout! {
    impl[T: ShmLayout + Copy, const N: usize] Broadcast[T, N], BROADCAST.claiming();
    claim at sender_state.0.claim: AtomicU32::LAYOUT;
    came at sender_state.0.joined: AtomicU32::LAYOUT;
    arrived at sender_state.0.arrived: AtomicU32::LAYOUT;
    reserved at counters.0.reserved: AtomicU64::LAYOUT;
    tail at counters.0.tail: AtomicU64::LAYOUT;
    slots at slots: <[T; N]>::LAYOUT;
}

impl<T: ShmLayout + Copy, const N: usize, A: Access> Broadcast<T, N, A> {
    /// Becomes the sender, if no living process is. A dead one is succeeded.
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

    /// Becomes the sender, waiting for at most `timeout` on the monotonic clock until the one there is leaves or dies.
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

    /// A receiver of everything that is sent from now on.
    pub fn receiver(&self) -> BroadcastReceiver<'_, T, N, A> {
        BroadcastReceiver::new(self, protocol::tail::<Correct<A>>(&self.counters))
    }

    /// A receiver of everything that is still there, up to `N` messages, and of what is sent from now on.
    pub fn receiver_from_oldest(&self) -> BroadcastReceiver<'_, T, N, A> {
        BroadcastReceiver::new(self, protocol::oldest::<Correct<A>>(&self.counters, N))
    }

    /// How many messages have been sent so far, by all senders together.
    #[must_use]
    #[inline]
    pub fn sent(&self) -> u64 {
        protocol::tail::<Correct<A>>(&self.counters)
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
        // Through read-only pages nobody is a participant, so nobody is to be asked.
        A::WRITABLE && self.sender_state.claim.is_dead(owner)
    }
}

impl<T, const N: usize, A: Access> fmt::Debug for Broadcast<T, N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("sent", &protocol::tail::<Correct<A>>(&self.counters))
            .finish_non_exhaustive()
    }
}
