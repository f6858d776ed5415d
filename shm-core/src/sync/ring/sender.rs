//! The sending end.

use std::fmt;
use std::time::{Duration, Instant};

use super::end::{HeldEnd, at, until};
use super::error::{send_timeout, try_send};
use super::{SendError, SendTimeoutError, TrySendError};
use crate::cell::{ShmCell, ShmSlice};
use crate::claim::word::Timeout;
use crate::protocol::ring::Sending;
use crate::shm_layout::ShmLayout;
use crate::sync::TimedOut;
use crate::sys::clock::Deadline;

/// The sending end of a [`Ring`](super::Ring), from [`Ring::sender`](super::Ring::sender). Dropping it gives the end up; the
/// messages that it sent stay in the ring.
///
/// It can be moved to another thread. If its process dies, the receiver gets `Disconnected` once it has received everything, and
/// another process can claim the end and continue at [`position`](Self::position). In a fork child the end is the parent's:
/// every call is `Disconnected`, and dropping it does nothing.
#[must_use = "dropping a `Sender` gives up the sending end at once"]
pub struct Sender<'a, T: ShmLayout, const N: usize> {
    pub(super) end: HeldEnd<'a, Sending, N>,
    pub(super) slots: &'a [ShmCell<T>; N],
}

impl<'a, T: ShmLayout, const N: usize> Sender<'a, T, N> {
    pub(super) fn new(end: HeldEnd<'a, Sending, N>, slots: &'a [ShmCell<T>; N]) -> Self {
        Self { end, slots }
    }

    /// The same sender, which waits for the next receiver instead of returning `Disconnected`.
    ///
    /// A sender reports a full ring as `Disconnected` at once when the last receiver has left or died. With this setting a full
    /// ring is only full, whether or not a process holds the receiver: [`send`](Self::send) waits for room without a limit,
    /// calls with a timeout return `Timeout` when it is over, and calls that never wait return `Full`. A waiting sender sleeps
    /// until a receiver joins or makes room. It does not probe whether the receiver is alive;
    /// [`is_disconnected`](Self::is_disconnected) still does.
    ///
    /// The next receiver has to join the same segment. One that replaces the segment (`supersede`) joins the new one: wait with a
    /// timeout, and look at [`Shm::is_current`](crate::Shm::is_current) after each `Timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::{Ring, SendTimeoutError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u64, 1>::create_anonymous()?;
    /// let mut sender = shm.sender()?.reconnecting();
    /// drop(shm.receiver()?); // a receiver that joins and leaves, or dies
    /// sender.send(1)?;
    /// let waited = sender.send_timeout(2, Duration::from_millis(1));
    /// assert_eq!(waited, Err(SendTimeoutError::Timeout(2)));
    ///
    /// assert_eq!(shm.receiver()?.recv(), Ok(1));
    /// sender.send(2)?;
    /// # Ok(()) }
    /// ```
    ///
    /// In a fork child of the process that claimed this end, every call is `Disconnected` all the same.
    pub fn reconnecting(self) -> Self {
        Self {
            end: self.end.reconnecting(),
            ..self
        }
    }

    /// The number of messages sent since the ring was created, by this sender and earlier ones. It is also the number of the
    /// next message, counted from 0, at which the successor of a dead sender continues.
    #[must_use]
    #[inline]
    pub fn position(&self) -> u64 {
        self.end.position()
    }

    /// Whether the receiver has left or died, and no other has joined since then. `false` as long as no receiver has ever joined.
    /// Never waits.
    ///
    /// The ring may still have room: messages that are sent wait for the next receiver. The answer costs a system call while a
    /// process holds the receiver, and none after it has left or was found dead.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u64, 8>::create_anonymous()?;
    /// let sender = shm.sender()?;
    /// assert!(!sender.is_disconnected());
    /// drop(shm.receiver()?);
    /// assert!(sender.is_disconnected());
    /// # Ok(()) }
    /// ```
    ///
    /// In a fork child of the process that claimed this end it is `true`.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.end.is_disconnected()
    }
}

/// Messages that are copied into the ring.
impl<T: ShmLayout + Copy, const N: usize> Sender<'_, T, N> {
    /// Sends a message, and waits while the ring is full. A sender that is killed in this call has sent the whole message or
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message, if the ring is full and the receiver has left or died. There is no error while the ring
    /// has room, or while no receiver has joined yet: the next receiver gets the message. After
    /// [`reconnecting`](Self::reconnecting) there never is.
    #[inline(always)]
    pub fn send(&mut self, message: T) -> Result<(), SendError<T>> {
        if !self.end.has_slot() && self.end.wait_for_slot(Timeout::Never).is_some() {
            return Err(SendError(message));
        }
        self.push(&message);
        Ok(())
    }

    /// Sends a message if the ring has room. Never waits. If the ring is full, it may probe whether the receiver is alive, at
    /// most once per millisecond.
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with the message.
    #[inline(always)]
    pub fn try_send(&mut self, message: T) -> Result<(), TrySendError<T>> {
        if !self.end.has_slot()
            && let Some(idle) = self.end.wait_for_slot(Timeout::Now)
        {
            return Err(try_send(idle, message));
        }
        self.push(&message);
        Ok(())
    }

    /// Sends a message, and waits for at most `timeout` on the monotonic clock while the ring is full. A dead receiver is detected
    /// before the timeout, however short that is.
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
        self.push(&message);
        Ok(())
    }

    /// Sends as [`send_timeout`](Self::send_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    #[inline]
    pub fn send_deadline(
        &mut self,
        message: T,
        deadline: Instant,
    ) -> Result<(), SendTimeoutError<T>> {
        if let Err(idle) = self.end.wait_for_slots(1, at(deadline)) {
            return Err(send_timeout(idle, message));
        }
        self.push(&message);
        Ok(())
    }

    /// Sends all messages, and waits whenever the ring is full. The messages that fit at one time become visible together, which
    /// costs less than one by one.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the messages that were not sent, if the ring is full and the receiver has left or died.
    pub fn send_slice<'m>(&mut self, messages: &'m [T]) -> Result<(), SendError<&'m [T]>> {
        let mut rest = messages;
        while !rest.is_empty() {
            let room = match self.end.wait_for_slots(rest.len(), || Timeout::Never) {
                Ok(room) => room,
                Err(_) => return Err(SendError(rest)),
            };
            rest = self.push_slice(rest, room);
        }
        Ok(())
    }

    /// Sends as [`send_slice`](Self::send_slice) does, with at most `timeout` on the monotonic clock for all waits together.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or [`Disconnected`](SendTimeoutError::Disconnected), with the messages that were
    /// not sent.
    pub fn send_slice_timeout<'m>(
        &mut self,
        messages: &'m [T],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<&'m [T]>> {
        self.send_slice_until(messages, || Deadline::after(timeout))
    }

    /// Sends as [`send_slice_timeout`](Self::send_slice_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`send_slice_timeout`](Self::send_slice_timeout).
    pub fn send_slice_deadline<'m>(
        &mut self,
        messages: &'m [T],
        deadline: Instant,
    ) -> Result<(), SendTimeoutError<&'m [T]>> {
        self.send_slice_until(messages, || Deadline::at(deadline))
    }

    /// One deadline for all waits, which is computed when the first one begins.
    fn send_slice_until<'m>(
        &mut self,
        messages: &'m [T],
        at_latest: impl Fn() -> Deadline,
    ) -> Result<(), SendTimeoutError<&'m [T]>> {
        let mut rest = messages;
        let mut deadline = None;
        while !rest.is_empty() {
            let timeout = || Timeout::At(*deadline.get_or_insert_with(&at_latest));
            let room = match self.end.wait_for_slots(rest.len(), timeout) {
                Ok(room) => room,
                Err(idle) => return Err(send_timeout(idle, rest)),
            };
            rest = self.push_slice(rest, room);
        }
        Ok(())
    }

    /// Sends as many of the messages as the ring has room for. Never waits, as [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with the messages that were not sent.
    pub fn try_send_slice<'m>(&mut self, messages: &'m [T]) -> Result<(), TrySendError<&'m [T]>> {
        let mut rest = messages;
        while !rest.is_empty() {
            let room = match self.end.wait_for_slots(rest.len(), || Timeout::Now) {
                Ok(room) => room,
                Err(idle) => return Err(try_send(idle, rest)),
            };
            rest = self.push_slice(rest, room);
        }
        Ok(())
    }
}

/// Waiting for a receiver.
impl<T: ShmLayout, const N: usize> Sender<'_, T, N> {
    /// Waits until there is a living receiver: the first one, or after `Disconnected` the next one. Returns at once if there
    /// is one.
    ///
    /// Call it after `Disconnected`, and send again when it returns. It also returns if a receiver joined and left or died in
    /// the meantime, and made room in a full ring. This end notices room only when it looks, so room that was made earlier counts
    /// too: if the ring was full when this end looked last, and is not now, this returns at once, and does so again until a message
    /// is sent. So a loop that calls it as long as [`is_disconnected`](Self::is_disconnected) is `true`, and sends nothing, spins.
    /// It may miss a receiver that left without having received anything.
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
        self.end.wait_for_peer_until(Deadline::after(timeout))
    }

    /// Waits as [`wait_for_receiver`](Self::wait_for_receiver) does, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`wait_for_receiver_timeout`](Self::wait_for_receiver_timeout).
    pub fn wait_for_receiver_deadline(&self, deadline: Instant) -> Result<(), TimedOut> {
        self.end.wait_for_peer_until(Deadline::at(deadline))
    }

    /// Copies a message into the next slot, and commits it.
    #[inline(always)]
    fn push(&mut self, message: &T)
    where
        T: Copy,
    {
        let slots = self.slots;
        self.end
            .commit(1, |number| slots[number].store_from(message));
    }

    /// Copies at most `room` messages into the next slots, and commits them. Returns the others.
    fn push_slice<'m>(&mut self, messages: &'m [T], room: usize) -> &'m [T]
    where
        T: Copy,
    {
        let (now, later) = messages.split_at(room.min(messages.len()));
        let slots = ShmSlice::new(self.slots);
        self.end.commit(now.len(), |number| {
            let (first, wrapped) = now.split_at(now.len().min(N - number));
            slots[number..number + first.len()].write_from(first);
            slots[..wrapped.len()].write_from(wrapped);
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
