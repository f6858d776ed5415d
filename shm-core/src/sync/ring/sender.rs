//! The sending end.

use std::fmt;
use std::time::Duration;

use super::end::HeldEnd;
use super::protocol::{Idle, Sending};
use super::{SendError, SendTimeoutError, TrySendError};
use crate::cell::{ShmCell, ShmSlice};
use crate::claim::Patience;
use crate::layout::ShmLayout;
use crate::sys::clock::Deadline;

/// The sending end of a [`Ring`](super::Ring). Dropping it gives the end up; what was sent stays.
///
/// It may go to another thread. If its process dies, the receiver is told when it has received everything, and another
/// process can claim the end and go on from [`position`](Self::position). In a fork child it is the parent's: everything is
/// `Disconnected`, and dropping it does nothing.
#[must_use = "dropped at once, the end is given up at once"]
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

    /// Sends a message, waiting while the ring is full. Killed in it, a sender has sent the message or nothing.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message, if the ring is full and the receiver has left or died. As long as there is room,
    /// and as long as nobody has ever come to receive, that is no error: the next receiver gets it.
    #[inline]
    pub fn send(&mut self, message: T) -> Result<(), SendError<T>>
    where
        T: Copy,
    {
        if self.end.ready(1).is_none() && self.end.wait(Patience::Forever).is_err() {
            return Err(SendError(message));
        }
        self.commit(|slot| slot.store_from(&message));
        Ok(())
    }

    /// Sends a message if there is room. It never waits. Where there is none it may look whether the receiver lives, at
    /// most once a millisecond.
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with the message.
    #[inline]
    pub fn try_send(&mut self, message: T) -> Result<(), TrySendError<T>>
    where
        T: Copy,
    {
        if self.end.ready(1).is_none() {
            match self.end.wait(Patience::None) {
                Ok(_) => {}
                Err(Idle::NotYet) => return Err(TrySendError::Full(message)),
                Err(Idle::Gone) => return Err(TrySendError::Disconnected(message)),
            }
        }
        self.commit(|slot| slot.store_from(&message));
        Ok(())
    }

    /// Sends a message, waiting for at most `timeout` on the monotonic clock while the ring is full. However short the
    /// timeout is, a dead receiver is found before it ends.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or [`Disconnected`](SendTimeoutError::Disconnected), with the message.
    #[inline]
    pub fn send_timeout(&mut self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>>
    where
        T: Copy,
    {
        if self.end.ready(1).is_none() {
            match self.end.wait(Patience::Until(Deadline::after(timeout))) {
                Ok(_) => {}
                Err(Idle::NotYet) => return Err(SendTimeoutError::Timeout(message)),
                Err(Idle::Gone) => return Err(SendTimeoutError::Disconnected(message)),
            }
        }
        self.commit(|slot| slot.store_from(&message));
        Ok(())
    }

    /// Sends all messages, waiting whenever the ring is full. As many at a time as there is room for become visible
    /// together, which makes them cheaper.
    ///
    /// # Errors
    ///
    /// [`SendError`] with those that were not sent, if the ring is full and the receiver has left or died.
    pub fn send_slice<'m>(&mut self, messages: &'m [T]) -> Result<(), SendError<&'m [T]>>
    where
        T: Copy,
    {
        let mut rest = messages;
        while !rest.is_empty() {
            let room = match self.end.ready(rest.len()) {
                Some(room) => room,
                None => match self.end.wait(Patience::Forever) {
                    Ok(room) => room,
                    Err(_) => return Err(SendError(rest)),
                },
            };
            rest = self.commit_some(rest, room);
        }
        Ok(())
    }

    /// Sends as many of the messages as there is room for. It never waits, as [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with those that were not sent.
    pub fn try_send_slice<'m>(&mut self, messages: &'m [T]) -> Result<(), TrySendError<&'m [T]>>
    where
        T: Copy,
    {
        let mut rest = messages;
        while !rest.is_empty() {
            let room = match self.end.ready(rest.len()) {
                Some(room) => room,
                None => match self.end.wait(Patience::None) {
                    Ok(room) => room,
                    Err(Idle::NotYet) => return Err(TrySendError::Full(rest)),
                    Err(Idle::Gone) => return Err(TrySendError::Disconnected(rest)),
                },
            };
            rest = self.commit_some(rest, room);
        }
        Ok(())
    }

    /// Sends a message that `write` makes in its slot, without a copy elsewhere: for large ones. It waits while the ring is
    /// full.
    ///
    /// The slot holds what some earlier message left in it, or zeroes. If `write` panics nothing is sent.
    ///
    /// # Errors
    ///
    /// [`SendError`], and `write` is not called, if the ring is full and the receiver has left or died.
    pub fn send_with<R>(
        &mut self,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, SendError<()>> {
        if self.end.ready(1).is_none() && self.end.wait(Patience::Forever).is_err() {
            return Err(SendError(()));
        }
        Ok(self.commit(write))
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
        if self.end.ready(1).is_none() {
            match self.end.wait(Patience::None) {
                Ok(_) => {}
                Err(Idle::NotYet) => return Err(TrySendError::Full(())),
                Err(Idle::Gone) => return Err(TrySendError::Disconnected(())),
            }
        }
        Ok(self.commit(write))
    }

    /// Writes a message to the next slot, and commits it.
    #[inline(always)]
    fn commit<R>(&mut self, write: impl FnOnce(&ShmCell<T>) -> R) -> R {
        let slots = self.slots;
        self.end.pass(1, |number| write(&slots[number]))
    }

    /// Writes the first `room` messages, or all if they are fewer, and commits them. Returns the others.
    fn commit_some<'m>(&mut self, messages: &'m [T], room: usize) -> &'m [T]
    where
        T: Copy,
    {
        let (now, later) = messages.split_at(room.min(messages.len()));
        let slots = ShmSlice::new(self.slots);
        self.end.pass(now.len(), |number| {
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
