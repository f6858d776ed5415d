//! The receiving end.

use std::fmt;
use std::time::{Duration, Instant};

use super::end::{HeldEnd, at, until};
use super::error::{recv, recv_timeout, try_recv};
use super::{Iter, RecvError, RecvTimeoutError, TryIter, TryRecvError};
use crate::cell::{ShmCell, ShmSlice, ShmValue};
use crate::claim::word::Timeout;
use crate::primitive::AtomicU64;
use crate::protocol::ring::Receiving;
use crate::shm_layout::ShmLayout;
use crate::sync::TimedOut;
use crate::sys::clock::Deadline;

/// The receiving end of a [`Ring`](super::Ring), from [`Ring::receiver`](super::Ring::receiver). Dropping it gives the end up;
/// the messages that it did not receive stay in the ring.
///
/// It can be moved to another thread. If its process dies, another process can claim the end and continue at
/// [`position`](Self::position). In a fork child the end is the parent's: every call is `Disconnected`, and dropping it does
/// nothing.
///
/// Messages that contain enums or `char`s, for which not all bytes are values, have to be checked, with
/// [`recv_with`](Self::recv_with):
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Ring;
///
/// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
/// #[repr(u8)]
/// enum Command { Start = 1, Stop = 2 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Ring::<Command, 8>::create_anonymous()?;
/// shm.sender()?.send(Command::Stop)?;
/// let command = shm.receiver()?.recv_with(|cell, _| cell.try_load())??;
/// assert_eq!(command, Command::Stop);
/// # Ok(()) }
/// ```
#[must_use = "dropping a `Receiver` gives up the receiving end at once"]
pub struct Receiver<'a, T: ShmLayout, const N: usize> {
    pub(super) end: HeldEnd<'a, Receiving, N>,
    pub(super) deliveries: &'a AtomicU64,
    pub(super) slots: &'a [ShmCell<T>; N],
}

impl<'a, T: ShmLayout, const N: usize> Receiver<'a, T, N> {
    pub(super) fn new(
        end: HeldEnd<'a, Receiving, N>,
        deliveries: &'a AtomicU64,
        slots: &'a [ShmCell<T>; N],
    ) -> Self {
        Self {
            end,
            deliveries,
            slots,
        }
    }

    /// The same receiver, which waits for the next sender instead of returning `Disconnected`.
    ///
    /// A receiver reports an empty ring as `Disconnected` at once when the last sender has left or died. With this setting an
    /// empty ring is only empty, whether or not a process holds the sender: [`recv`](Self::recv) and [`iter`](Self::iter) wait
    /// for the next message without a limit, calls with a timeout return `Timeout` when it is over, and calls that never wait
    /// return `Empty`. A waiting receiver sleeps until a sender joins or sends. It does not probe whether the sender is alive;
    /// [`is_disconnected`](Self::is_disconnected) still does.
    ///
    /// The next sender has to join the same segment. One that replaces the segment (`supersede`) joins the new one: wait with a
    /// timeout, and look at [`Shm::is_current`](crate::Shm::is_current) after each `Timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::{Ring, RecvTimeoutError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u64, 8>::create_anonymous()?;
    /// let mut receiver = shm.receiver()?.reconnecting();
    /// drop(shm.sender()?); // a sender that joins and leaves, or dies
    /// let waited = receiver.recv_timeout(Duration::from_millis(1));
    /// assert_eq!(waited, Err(RecvTimeoutError::Timeout));
    ///
    /// shm.sender()?.send(7)?;
    /// assert_eq!(receiver.recv(), Ok(7));
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

    /// The number of messages received since the ring was created, by this receiver and earlier ones. It is also the number of
    /// the next message, counted from 0.
    #[must_use]
    #[inline]
    pub fn position(&self) -> u64 {
        self.end.position()
    }

    /// Whether the sender has left or died, and no other has joined since then. `false` as long as no sender has ever joined.
    /// Never waits.
    ///
    /// Messages may still be in the ring: if this returns `true`, all that the sender sent can be received without a wait. The
    /// answer costs a system call while a process holds the sender, and none after it has left or was found dead.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u64, 8>::create_anonymous()?;
    /// let mut receiver = shm.receiver()?;
    /// assert!(!receiver.is_disconnected());
    ///
    /// let mut sender = shm.sender()?;
    /// sender.send(7)?;
    /// drop(sender);
    /// assert!(receiver.is_disconnected());
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// # Ok(()) }
    /// ```
    ///
    /// In a fork child of the process that claimed this end it is `true`.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.end.is_disconnected()
    }
}

/// Messages that are copied out of the ring.
impl<T: ShmLayout + Copy, const N: usize> Receiver<'_, T, N> {
    /// Receives a message, and waits while the ring is empty.
    ///
    /// The message counts as received once it is copied, before this call returns: if the receiver is killed then, the message is
    /// lost. With [`recv_with`](Self::recv_with) it is not.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the ring is empty and the sender has left or died. While no sender has joined yet, this waits; after
    /// [`reconnecting`](Self::reconnecting) it always does.
    #[inline(always)]
    pub fn recv(&mut self) -> Result<T, RecvError>
    where
        T: ShmValue,
    {
        if !self.end.finds_slot()
            && let Some(idle) = self.end.wait_for_slot(Timeout::Never)
        {
            return Err(recv(idle));
        }
        Ok(self.pop())
    }

    /// Receives a message if there is one. Never waits. If the ring is empty, it may probe whether the sender is alive, at most
    /// once per millisecond.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) or [`Disconnected`](TryRecvError::Disconnected).
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError>
    where
        T: ShmValue,
    {
        if !self.end.finds_slot()
            && let Some(idle) = self.end.wait_for_slot(Timeout::Now)
        {
            return Err(try_recv(idle));
        }
        Ok(self.pop())
    }

    /// Receives a message, and waits for at most `timeout` on the monotonic clock while the ring is empty. A dead sender is
    /// detected before the timeout, however short that is.
    ///
    /// # Errors
    ///
    /// [`Timeout`](RecvTimeoutError::Timeout) or [`Disconnected`](RecvTimeoutError::Disconnected).
    #[inline]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, until(timeout))
            .map_err(recv_timeout)?;
        Ok(self.pop())
    }

    /// Receives a message as [`recv_timeout`](Self::recv_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    #[inline]
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, at(deadline))
            .map_err(recv_timeout)?;
        Ok(self.pop())
    }
}

/// Large messages, which are copied out of the ring without a copy on the stack.
impl<T: ShmLayout + Copy, const N: usize> Receiver<'_, T, N> {
    /// Receives a message into `out` as [`recv`](Self::recv) does. After an error `out` is unchanged.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_into(&mut self, out: &mut T) -> Result<(), RecvError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, || Timeout::Never)
            .map_err(recv)?;
        self.pop_into(out);
        Ok(())
    }

    /// Receives a message into `out` as [`try_recv`](Self::try_recv) does. After an error `out` is unchanged.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_into(&mut self, out: &mut T) -> Result<(), TryRecvError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, || Timeout::Now)
            .map_err(try_recv)?;
        self.pop_into(out);
        Ok(())
    }

    /// Receives a message into `out` as [`recv_timeout`](Self::recv_timeout) does. After an error `out` is unchanged.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_into_timeout(
        &mut self,
        out: &mut T,
        timeout: Duration,
    ) -> Result<(), RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, until(timeout))
            .map_err(recv_timeout)?;
        self.pop_into(out);
        Ok(())
    }

    /// Receives a message into `out` as [`recv_into_timeout`](Self::recv_into_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_into_timeout`](Self::recv_into_timeout).
    pub fn recv_into_deadline(
        &mut self,
        out: &mut T,
        deadline: Instant,
    ) -> Result<(), RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, at(deadline))
            .map_err(recv_timeout)?;
        self.pop_into(out);
        Ok(())
    }

    /// Receives a message into a new box as [`recv`](Self::recv) does.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // 1 MiB each.
    /// let shm = Ring::<[u32; 1 << 18], 2>::create_anonymous()?;
    /// let (mut sender, mut receiver) = (shm.sender()?, shm.receiver()?);
    /// sender.send_with(|frame| frame.fill(7))?;
    /// let frame = receiver.recv_boxed()?;
    /// assert_eq!((frame.len(), frame[99]), (1 << 18, 7));
    /// # Ok(()) }
    /// ```
    ///
    /// With a timeout, use [`recv_with_timeout`](Self::recv_with_timeout) and
    /// [`load_boxed`](crate::ShmCell::load_boxed) of the cell.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_boxed(&mut self) -> Result<Box<T>, RecvError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, || Timeout::Never)
            .map_err(recv)?;
        let slots = self.slots;
        Ok(self.end.commit(1, |number| slots[number].load_boxed()))
    }
}

/// Messages that are copied out of the ring, several at once.
impl<T: ShmLayout + Copy, const N: usize> Receiver<'_, T, N> {
    /// Receives as many messages as there are, at least one and at most `out.len()`, and waits while there is none. Returns how
    /// many; 0 only if `out` is empty.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_slice(&mut self, out: &mut [T]) -> Result<usize, RecvError>
    where
        T: ShmValue,
    {
        if out.is_empty() {
            return Ok(0);
        }
        let ready = self.end.wait_for_slots(out.len(), || Timeout::Never);
        Ok(self.pop_slice(out, ready.map_err(recv)?))
    }

    /// Receives several messages as [`recv_slice`](Self::recv_slice) does, if there is one. Never waits, as
    /// [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_slice(&mut self, out: &mut [T]) -> Result<usize, TryRecvError>
    where
        T: ShmValue,
    {
        if out.is_empty() {
            return Ok(0);
        }
        let ready = self.end.wait_for_slots(out.len(), || Timeout::Now);
        Ok(self.pop_slice(out, ready.map_err(try_recv)?))
    }

    /// Receives several messages as [`recv_slice`](Self::recv_slice) does, and waits for the first for at most `timeout` as
    /// [`recv_timeout`](Self::recv_timeout) does.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_slice_timeout(
        &mut self,
        out: &mut [T],
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError>
    where
        T: ShmValue,
    {
        if out.is_empty() {
            return Ok(0);
        }
        let ready = self.end.wait_for_slots(out.len(), until(timeout));
        Ok(self.pop_slice(out, ready.map_err(recv_timeout)?))
    }

    /// Receives several messages as [`recv_slice_timeout`](Self::recv_slice_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_slice_timeout`](Self::recv_slice_timeout).
    pub fn recv_slice_deadline(
        &mut self,
        out: &mut [T],
        deadline: Instant,
    ) -> Result<usize, RecvTimeoutError>
    where
        T: ShmValue,
    {
        if out.is_empty() {
            return Ok(0);
        }
        let ready = self.end.wait_for_slots(out.len(), at(deadline));
        Ok(self.pop_slice(out, ready.map_err(recv_timeout)?))
    }
}

/// Waiting for a sender.
impl<T: ShmLayout, const N: usize> Receiver<'_, T, N> {
    /// Waits until there is a living sender: the first one, or after `Disconnected` the next one. Returns at once if there
    /// is one.
    ///
    /// Call it after `Disconnected`, and receive again when it returns. It also returns if a sender joined and left or died in
    /// the meantime, and sent something into an empty ring. This end notices messages only when it looks, so messages that were
    /// sent earlier count too, unless it has seen them: receive those first. As long as they are there, it returns at once. So a
    /// loop that calls it as long as [`is_disconnected`](Self::is_disconnected) is `true`, and receives nothing, spins. It may miss
    /// a sender that left without having sent anything.
    ///
    /// # Errors
    ///
    /// [`RecvError`] in a fork child of the process that claimed this end; nowhere else.
    pub fn wait_for_sender(&self) -> Result<(), RecvError> {
        self.end.wait_for_peer().ok_or(RecvError)
    }

    /// Waits as [`wait_for_sender`](Self::wait_for_sender) does, for at most `timeout` on the monotonic clock.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u64, 8>::create_anonymous()?;
    /// let mut receiver = shm.receiver()?;
    /// drop(shm.sender()?);
    /// assert!(receiver.recv().is_err()); // the sender has left
    /// assert!(receiver.wait_for_sender_timeout(Duration::ZERO).is_err());
    ///
    /// let mut next = shm.sender()?;
    /// receiver.wait_for_sender_timeout(Duration::from_secs(1))?;
    /// next.send(7)?;
    /// assert_eq!(receiver.recv()?, 7);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TimedOut`]; in a fork child of the process that claimed this end without waiting.
    pub fn wait_for_sender_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        self.end.wait_for_peer_until(Deadline::after(timeout))
    }

    /// Waits as [`wait_for_sender`](Self::wait_for_sender) does, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`wait_for_sender_timeout`](Self::wait_for_sender_timeout).
    pub fn wait_for_sender_deadline(&self, deadline: Instant) -> Result<(), TimedOut> {
        self.end.wait_for_peer_until(Deadline::at(deadline))
    }
}

/// Iterators over messages that are copied out of the ring.
impl<'a, T: ShmLayout + Copy, const N: usize> Receiver<'a, T, N> {
    /// An iterator that receives messages as [`recv`](Self::recv) does, and ends when that returns an error.
    pub fn iter(&mut self) -> Iter<'_, 'a, T, N> {
        Iter { receiver: self }
    }

    /// An iterator that receives messages as [`try_recv`](Self::try_recv) does, and ends when that returns an error.
    pub fn try_iter(&mut self) -> TryIter<'_, 'a, T, N> {
        TryIter { receiver: self }
    }
}

impl<T: ShmLayout, const N: usize> Receiver<'_, T, N> {
    /// Copies the next message out, and counts it as received.
    #[inline(always)]
    fn pop(&mut self) -> T
    where
        T: ShmValue,
    {
        let slots = self.slots;
        self.end.commit(1, |number| slots[number].load())
    }

    /// Copies the next message to `out`, and counts it as received.
    fn pop_into(&mut self, out: &mut T)
    where
        T: ShmValue,
    {
        let slots = self.slots;
        self.end.commit(1, |number| slots[number].load_into(out));
    }

    /// Copies at most `ready` messages out, and counts them as received.
    fn pop_slice(&mut self, out: &mut [T], ready: usize) -> usize
    where
        T: ShmValue,
    {
        let count = ready.min(out.len());
        let slots = ShmSlice::new(self.slots);
        self.end.commit(count, |number| {
            let (first, wrapped) = out[..count].split_at_mut(count.min(N - number));
            slots[number..number + first.len()].read_into(first);
            slots[..wrapped.len()].read_into(wrapped);
        });
        count
    }
}

impl<T: ShmLayout, const N: usize> fmt::Debug for Receiver<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
