//! The sending end.

use std::fmt;

use super::{Broadcast, SendError};
use crate::cell::ShmCell;
use crate::claim::word::Timeout;
use crate::protocol::broadcast::{self as protocol, Correct};
use crate::protocol::eventcount::notify_fenced;
use crate::protocol::liveness;
use crate::shm_layout::ShmLayout;
use crate::sync::ClaimError;
use crate::sync::claim_guard::ClaimGuard;
use crate::sync::sleeper::Futex;

/// The sending end of a [`Broadcast`], which one process has at a time. Dropping it tells the receivers that nothing more
/// comes, until there is another one.
///
/// In a fork child that has inherited it, it sends nothing, and dropping it does nothing.
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
/// assert!(points.sender().is_err()); // one at a time
/// sender.send([1, 2])?;
/// sender.send_with(|point| {
///     // In its place, which large messages are better made in.
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
    role: ClaimGuard<'a>,
    /// The number of the next message.
    next: u64,
}

impl<'a, T: ShmLayout + Copy, const N: usize> BroadcastSender<'a, T, N> {
    pub(super) fn claim(
        broadcast: &'a Broadcast<T, N>,
        timeout: Timeout,
    ) -> Result<Self, ClaimError> {
        let role = ClaimGuard::claim(&broadcast.sender_state.claim, timeout)?;
        liveness::mark_joined(&broadcast.sender_state.joined);
        Ok(Self {
            broadcast,
            // For receivers that wait for another sender, and those that wait for its end.
            role: role.notifying(&broadcast.sender_state.arrived),
            next: protocol::tail::<Correct>(&broadcast.counters),
        })
    }

    /// Sends a message to all receivers there are. It never waits for any of them.
    ///
    /// # Errors
    ///
    /// [`SendError`] in a fork child that has inherited the sender; nowhere else.
    #[inline]
    pub fn send(&mut self, message: T) -> Result<(), SendError> {
        self.send_from(&message)
    }

    /// [`send`](Self::send)s a message that need not be on the stack.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_from(&mut self, message: &T) -> Result<(), SendError> {
        if !self.is_mine() {
            return Err(SendError);
        }
        self.commit(|slot| slot.store_from(message))
    }

    /// Sends a message that `write` makes in its slot, without a copy elsewhere: for large ones. Returns what `write` has
    /// returned.
    ///
    /// The slot holds what some earlier message left in it, or zeroes, so `write` has to write **all** of the message. If
    /// it panics nothing is sent; the message that lay in the slot, the oldest one, is lost to receivers that have not got
    /// it, and they are told so.
    ///
    /// # Errors
    ///
    /// [`SendError`] in a fork child that has inherited the sender, and `write` is not called; and in a child that `write`
    /// forks, where nothing is sent. What such a child writes to the slot may be seen in its parent's message.
    #[inline]
    pub fn send_with<R>(&mut self, write: impl FnOnce(&ShmCell<T>) -> R) -> Result<R, SendError> {
        if !self.is_mine() {
            return Err(SendError);
        }
        self.commit(write)
    }

    #[inline(always)]
    fn is_mine(&self) -> bool {
        self.role.is_mine()
    }

    /// Sends the message that `write` writes, unless this is not the sender's process any more: `write` may fork.
    #[inline(always)]
    fn commit<R>(&mut self, write: impl FnOnce(&ShmCell<T>) -> R) -> Result<R, SendError> {
        let broadcast = self.broadcast;
        let result = protocol::send::<Correct, _, _>(&broadcast.counters, N, self.next, |slot| {
            let result = write(&broadcast.slots[slot]);
            if self.is_mine() {
                Ok(result)
            } else {
                Err(SendError)
            }
        })?;
        self.next = self.next.wrapping_add(1);
        notify_fenced(&broadcast.sender_state.arrived, &Futex);
        Ok(result)
    }
}

impl<T, const N: usize> BroadcastSender<'_, T, N> {
    /// How many messages have been sent before, also by earlier senders: the number of the next one, counted from 0.
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
