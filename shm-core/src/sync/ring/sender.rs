//! The sending end.

use std::fmt;
use std::time::Duration;

use super::end::{HeldEnd, until};
use super::error::{send_timeout, try_send};
use super::{SendError, SendTimeoutError, TrySendError};
use crate::cell::{ShmCell, ShmSlice};
use crate::claim::word::Timeout;
use crate::protocol::ring::Sending;
use crate::shm_layout::ShmLayout;
use crate::sync::TimedOut;
use crate::sys::clock::Deadline;

/// The sending end of a [`Ring`](super::Ring). Dropping it gives the end up; what was sent stays.
///
/// It may go to another thread. If its process dies, the receiver is told when it has received everything, and another
/// process can claim the end and go on from [`position`](Self::position). In a fork child it is the parent's: everything is
/// `Disconnected`, and dropping it does nothing.
#[must_use = "dropping a `Sender` gives up the sending end at once"]
pub struct Sender<'a, T: ShmLayout, const N: usize> {
    end: HeldEnd<'a, Sending, N>,
    slots: &'a [ShmCell<T>; N],
}

impl<'a, T: ShmLayout, const N: usize> Sender<'a, T, N> {
    pub(super) fn new(end: HeldEnd<'a, Sending, N>, slots: &'a [ShmCell<T>; N]) -> Self {
        Self { end, slots }
    }

    /// Messages that were ever sent through the ring, by this sender and those before it: the number of the next one,
    /// counted from 0. Who takes over a dead sender's end goes on from here.
    #[must_use]
    #[inline]
    pub fn position(&self) -> u64 {
        self.end.position()
    }
}

/// Messages that are copied into the ring.
impl<T: ShmLayout + Copy, const N: usize> Sender<'_, T, N> {
    /// Sends a message, waiting while the ring is full. Killed in it, a sender has sent the message or nothing.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message, if the ring is full and the receiver has left or died. As long as there is room,
    /// and as long as nobody has ever come to receive, that is no error: the next receiver gets it.
    #[inline]
    pub fn send(&mut self, message: T) -> Result<(), SendError<T>> {
        if self.end.wait_for_slots(1, || Timeout::Never).is_err() {
            return Err(SendError(message));
        }
        self.put(&message);
        Ok(())
    }

    /// Sends a message if there is room. It never waits. Where there is none it may look whether the receiver lives, about
    /// once a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with the message.
    #[inline]
    pub fn try_send(&mut self, message: T) -> Result<(), TrySendError<T>> {
        if let Err(idle) = self.end.wait_for_slots(1, || Timeout::Now) {
            return Err(try_send(idle, message));
        }
        self.put(&message);
        Ok(())
    }

    /// Sends a message, waiting for at most `timeout` on the monotonic clock while the ring is full. However short the
    /// timeout is, a dead receiver is found before it ends.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or [`Disconnected`](SendTimeoutError::Disconnected), with the message.
    #[inline]
    pub fn send_timeout(
        &mut self,
        message: T,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        if let Err(idle) = self.end.wait_for_slots(1, until(timeout)) {
            return Err(send_timeout(idle, message));
        }
        self.put(&message);
        Ok(())
    }

    /// Sends all messages, waiting whenever the ring is full. As many at a time as there is room for become visible
    /// together, which makes them cheaper.
    ///
    /// # Errors
    ///
    /// [`SendError`] with those that were not sent, if the ring is full and the receiver has left or died.
    pub fn send_slice<'m>(&mut self, messages: &'m [T]) -> Result<(), SendError<&'m [T]>> {
        let mut rest = messages;
        while !rest.is_empty() {
            let room = match self.end.wait_for_slots(rest.len(), || Timeout::Never) {
                Ok(room) => room,
                Err(_) => return Err(SendError(rest)),
            };
            rest = self.put_some(rest, room);
        }
        Ok(())
    }

    /// [`send_slice`](Self::send_slice), for at most `timeout` on the monotonic clock, all waits together.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or [`Disconnected`](SendTimeoutError::Disconnected), with those that were not
    /// sent.
    pub fn send_slice_timeout<'m>(
        &mut self,
        messages: &'m [T],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<&'m [T]>> {
        let mut rest = messages;
        let mut deadline = None;
        while !rest.is_empty() {
            let timeout = || Timeout::At(*deadline.get_or_insert_with(|| Deadline::after(timeout)));
            let room = match self.end.wait_for_slots(rest.len(), timeout) {
                Ok(room) => room,
                Err(idle) => return Err(send_timeout(idle, rest)),
            };
            rest = self.put_some(rest, room);
        }
        Ok(())
    }

    /// Sends as many of the messages as there is room for. It never waits, as [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with those that were not sent.
    pub fn try_send_slice<'m>(&mut self, messages: &'m [T]) -> Result<(), TrySendError<&'m [T]>> {
        let mut rest = messages;
        while !rest.is_empty() {
            let room = match self.end.wait_for_slots(rest.len(), || Timeout::Now) {
                Ok(room) => room,
                Err(idle) => return Err(try_send(idle, rest)),
            };
            rest = self.put_some(rest, room);
        }
        Ok(())
    }
}

/// Messages that are written where they lie, of any type, and waiting.
impl<T: ShmLayout, const N: usize> Sender<'_, T, N> {
    /// Sends a message that `write` makes in its slot, without a copy elsewhere: for large ones. It waits while the ring is
    /// full.
    ///
    /// The slot holds what some earlier message left in it, or zeroes. If `write` panics nothing is sent. If it forks, the
    /// message is the parent's to send: in the child this ends with the error, and the slot is not to be written to.
    ///
    /// # Errors
    ///
    /// [`SendError`], and `write` is not called, if the ring is full and the receiver has left or died.
    pub fn send_with<R>(
        &mut self,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, SendError<()>> {
        match self.end.wait_for_slots(1, || Timeout::Never) {
            Ok(_) => self.make(write).ok_or(SendError(())),
            Err(_) => Err(SendError(())),
        }
    }

    /// [`send_with`](Self::send_with) if there is room. It never waits, as [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), and `write` is not called.
    pub fn try_send_with<R>(
        &mut self,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, TrySendError<()>> {
        match self.end.wait_for_slots(1, || Timeout::Now) {
            Ok(_) => self.make(write).ok_or(TrySendError::Disconnected(())),
            Err(idle) => Err(try_send(idle, ())),
        }
    }

    /// [`send_with`](Self::send_with), waiting for at most `timeout` as [`send_timeout`](Self::send_timeout) does.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or [`Disconnected`](SendTimeoutError::Disconnected), and `write` is not called.
    pub fn send_with_timeout<R>(
        &mut self,
        timeout: Duration,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, SendTimeoutError<()>> {
        match self.end.wait_for_slots(1, until(timeout)) {
            Ok(_) => self.make(write).ok_or(SendTimeoutError::Disconnected(())),
            Err(idle) => Err(send_timeout(idle, ())),
        }
    }

    /// Waits until there is a living receiver: the first one, or after `Disconnected` the next one. Returns at once if there
    /// is one.
    ///
    /// Also returns if a receiver joined and left or died in the meantime, and made room in a full ring. This end notices room
    /// only when it looks, so room that was made earlier counts too: if the ring was full when this end looked last, and is not
    /// now, this returns at once. It may miss a receiver that left without having received anything.
    ///
    /// # Errors
    ///
    /// [`SendError`] in a fork child of the process that claimed this end; nowhere else.
    pub fn wait_for_receiver(&self) -> Result<(), SendError<()>> {
        self.end.wait_for_peer().ok_or(SendError(()))
    }

    /// Waits as [`wait_for_receiver`](Self::wait_for_receiver) does, for at most `timeout` on the monotonic clock.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u64, 8>::create_anonymous()?;
    /// let sender = shm.sender()?;
    /// assert!(sender.wait_for_receiver_timeout(Duration::ZERO).is_err());
    /// let receiver = shm.receiver()?;
    /// sender.wait_for_receiver_timeout(Duration::from_secs(1))?;
    /// # drop(receiver);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TimedOut`]; in a fork child of the process that claimed this end without waiting.
    pub fn wait_for_receiver_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        self.end.wait_for_peer_timeout(timeout)
    }

    /// Writes a message to the next slot, and commits it.
    #[inline(always)]
    fn put(&mut self, message: &T)
    where
        T: Copy,
    {
        let slots = self.slots;
        self.end
            .commit(1, |number| slots[number].store_from(message));
    }

    /// Has `write` make a message in the next slot, and commits it. `None` in a child that `write` has forked.
    #[inline(always)]
    fn make<R>(&mut self, write: impl FnOnce(&ShmCell<T>) -> R) -> Option<R> {
        let slots = self.slots;
        self.end.commit_one(|number| write(&slots[number]))
    }

    /// Writes the first `room` messages, or all if they are fewer, and commits them. Returns the others.
    fn put_some<'m>(&mut self, messages: &'m [T], room: usize) -> &'m [T]
    where
        T: Copy,
    {
        let (now, later) = messages.split_at(room.min(messages.len()));
        let slots = ShmSlice::new(self.slots);
        self.end.commit(now.len(), |number| {
            let (straight, around) = now.split_at(now.len().min(N - number));
            slots[number..number + straight.len()].write_from(straight);
            slots[..around.len()].write_from(around);
        });
        later
    }
}

impl<T: ShmLayout, const N: usize> fmt::Debug for Sender<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
