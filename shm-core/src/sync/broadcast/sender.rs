//! The sending end.

use std::fmt;

use super::{Broadcast, SendError};
use crate::cell::ShmCell;
use crate::claim::word::Timeout;
use crate::protocol::broadcast::{self as protocol, Correct};
use crate::protocol::eventcount::notify_published;
use crate::protocol::liveness;
use crate::shm_layout::ShmLayout;
use crate::sync::ClaimError;
use crate::sync::claim_guard::ClaimGuard;
use crate::sync::sleeper::{Committing, ReaderFutex};

/// The sending end of a [`Broadcast`], from [`Broadcast::sender`]. One process holds it at a time. Dropping it gives it up:
/// receivers get `Disconnected` once they have received everything, until there is another sender.
///
/// It can be moved to another thread. In a fork child an inherited sender is the parent's: it sends nothing, and dropping it
/// does nothing.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Broadcast;
/// use shm_core::sync::broadcast::RecvError;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let points = Broadcast::<[u32; 2], 8>::create_anonymous()?;
/// let mut receiver = points.receiver();
///
/// let mut sender = points.sender()?;
/// assert!(points.sender().is_err()); // there is one already
/// sender.send([1, 2])?;
/// sender.send_with(|point| {
///     // Writes into the slot, which saves a copy of a large message.
///     point[0].set(3);
///     point[1].set(4);
/// })?;
/// drop(sender);
///
/// assert_eq!(receiver.recv()?, [1, 2]);
/// assert_eq!(receiver.recv()?, [3, 4]);
/// assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
/// # Ok(()) }
/// ```
#[must_use = "dropping a `BroadcastSender` gives up the sending end at once, and receivers get `Disconnected`"]
pub struct BroadcastSender<'a, T, const N: usize> {
    broadcast: &'a Broadcast<T, N>,
    claim: ClaimGuard<'a>,
    /// The number of the next message.
    next: u64,
}

impl<'a, T: ShmLayout + Copy, const N: usize> BroadcastSender<'a, T, N> {
    pub(super) fn claim(
        broadcast: &'a Broadcast<T, N>,
        timeout: Timeout,
    ) -> Result<Self, ClaimError> {
        let role = &broadcast.sender_state.claim;
        let claim =
            ClaimGuard::claim(role, timeout, |failed| ClaimError::from_claim(failed, role))?;
        liveness::mark_joined(&broadcast.sender_state.joined);
        Ok(Self {
            broadcast,
            // Receivers sleep there while they wait for a sender to join or to leave.
            claim: claim.notifying(&broadcast.sender_state.arrived),
            next: protocol::tail::<Correct>(&broadcast.counters),
        })
    }

    /// Sends a message to all receivers, and never waits for them.
    ///
    /// # Errors
    ///
    /// [`SendError`] in a fork child that inherited the sender; nowhere else.
    #[inline(always)]
    pub fn send(&mut self, message: T) -> Result<(), SendError> {
        self.send_from(&message)
    }

    /// Sends a message as [`send`](Self::send) does, from a reference: large messages need not be on the stack.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline(always)]
    pub fn send_from(&mut self, message: &T) -> Result<(), SendError> {
        if !self.is_mine() {
            return Err(SendError);
        }
        self.commit(|slot, _| {
            slot.store_from(message);
            Ok(())
        })
    }

    /// Sends a message that `write` writes directly into its slot: for large messages. Returns what `write` returns.
    ///
    /// The slot contains an earlier message, or zeros, so `write` has to write **all** of the message. If `write` panics, nothing
    /// is sent. The oldest message, which was in the slot, is lost: receivers that have not received it get `Lagged`.
    ///
    /// # Errors
    ///
    /// [`SendError`] in a fork child that inherited the sender, and `write` is not called. Also in a child that `write` forks,
    /// and nothing is sent; what that child writes to the slot may become part of the parent's message.
    #[inline]
    pub fn send_with<R>(&mut self, write: impl FnOnce(&ShmCell<T>) -> R) -> Result<R, SendError> {
        if !self.is_mine() {
            return Err(SendError);
        }
        self.commit(|slot, claim| {
            let result = write(slot);
            // Not in a child that `write` forked.
            claim.is_mine().then_some(result).ok_or(SendError)
        })
    }

    #[inline(always)]
    fn is_mine(&self) -> bool {
        self.claim.is_mine()
    }

    /// Sends the message that `write` writes, unless it returns an error.
    #[inline(always)]
    fn commit<R>(
        &mut self,
        write: impl FnOnce(&ShmCell<T>, &ClaimGuard<'_>) -> Result<R, SendError>,
    ) -> Result<R, SendError> {
        let (broadcast, order) = (self.broadcast, self.claim.order());
        let counters = &broadcast.counters;
        let result = protocol::send::<Correct, _, _>(counters, N, self.next, order, |slot| {
            write(&broadcast.slots[slot], &self.claim)
        })?;
        self.next = self.next.wrapping_add(1);
        let waker = Committing(ReaderFutex, order);
        notify_published(&broadcast.sender_state.arrived, waker);
        Ok(result)
    }
}

impl<T, const N: usize> BroadcastSender<'_, T, N> {
    /// The number of messages sent since the queue was created, by this sender and earlier ones. It is also the number of the
    /// next message, counted from 0.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> u64 {
        self.next
    }
}

impl<T, const N: usize> fmt::Debug for BroadcastSender<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastSender")
            .field("position", &self.next)
            .finish_non_exhaustive()
    }
}
