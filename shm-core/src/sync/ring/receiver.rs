//! The receiving end.

use std::fmt;
use std::time::Duration;

use super::end::{HeldEnd, until};
use super::error::{recv, recv_timeout, try_recv};
use super::{RecvError, RecvTimeoutError, TryRecvError};
use crate::access::ReadOnly;
use crate::cell::{ShmCell, ShmSlice, ShmValue};
use crate::claim::word::Timeout;
use crate::protocol::ring::Receiving;
use crate::shm_layout::ShmLayout;
use crate::sync::TimedOut;

/// The receiving end of a [`Ring`](super::Ring). Dropping it gives the end up; what was not received stays for the next
/// one.
///
/// It may go to another thread. If its process dies, another one can claim the end and go on from
/// [`position`](Self::position). In a fork child it is the parent's: everything is `Disconnected`, and dropping it does
/// nothing.
///
/// Messages with enums or `char`s, of which not all bytes are values, are received through
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
/// let command = shm.receiver()?.recv_with(|cell| cell.try_load())??;
/// assert_eq!(command, Command::Stop);
/// # Ok(()) }
/// ```
#[must_use = "dropping a `Receiver` gives up the receiving end at once"]
pub struct Receiver<'a, T: ShmLayout, const N: usize> {
    end: HeldEnd<'a, Receiving, N>,
    slots: &'a [ShmCell<T>; N],
}

impl<'a, T: ShmLayout, const N: usize> Receiver<'a, T, N> {
    pub(super) fn new(end: HeldEnd<'a, Receiving, N>, slots: &'a [ShmCell<T>; N]) -> Self {
        Self { end, slots }
    }

    /// Messages that were ever received from the ring, by this receiver and those before it: the number of the next one,
    /// counted from 0.
    #[must_use]
    #[inline]
    pub fn position(&self) -> u64 {
        self.end.position()
    }
}

/// Messages that are copied out of the ring.
impl<T: ShmLayout + Copy, const N: usize> Receiver<'_, T, N> {
    /// Receives a message, waiting while there is none.
    ///
    /// It counts as received when it has been copied, before this returns: a receiver that is killed then takes it along.
    /// [`recv_with`](Self::recv_with) is the other way round.
    ///
    /// # Errors
    ///
    /// [`RecvError`], if there is none any more and the sender has left or died. Before anybody has come to send, it waits.
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, || Timeout::Never)
            .map_err(recv)?;
        Ok(self.take())
    }

    /// Receives a message if there is one. It never waits. Where there is none it may look whether the sender lives, about
    /// once a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) or [`Disconnected`](TryRecvError::Disconnected).
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError>
    where
        T: ShmValue,
    {
        self.end
            .wait_for_slots(1, || Timeout::Now)
            .map_err(try_recv)?;
        Ok(self.take())
    }

    /// Receives a message, waiting for at most `timeout` on the monotonic clock while there is none. However short the
    /// timeout is, a dead sender is found before it ends.
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
        Ok(self.take())
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
        self.take_into(out);
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
        self.take_into(out);
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
        self.take_into(out);
        Ok(())
    }

    /// [`recv`](Self::recv) into a new box, without a copy on the stack: for large messages.
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

/// Messages that are dealt with where they lie, of any type.
impl<T: ShmLayout, const N: usize> Receiver<'_, T, N> {
    /// Deals with a message where it lies, waiting while there is none. It counts as received when `work` has returned.
    ///
    /// So no message is lost with a receiver that is killed, or whose `work` panics: the next one gets it. It may then have
    /// been dealt with in part, or entirely; where that matters, keep [`position`](Self::position) with the result. If `work`
    /// forks, the message is the parent's: in the child this ends with the error.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); `work` is not called.
    #[inline]
    pub fn recv_with<R>(
        &mut self,
        work: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, RecvError> {
        self.end
            .wait_for_slots(1, || Timeout::Never)
            .map_err(recv)?;
        self.deal(work).ok_or(RecvError)
    }

    /// [`recv_with`](Self::recv_with) if there is a message. It never waits, as [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv); `work` is not called.
    #[inline]
    pub fn try_recv_with<R>(
        &mut self,
        work: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, TryRecvError> {
        self.end
            .wait_for_slots(1, || Timeout::Now)
            .map_err(try_recv)?;
        self.deal(work).ok_or(TryRecvError::Disconnected)
    }

    /// [`recv_with`](Self::recv_with), waiting for at most `timeout` as [`recv_timeout`](Self::recv_timeout) does.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout); `work` is not called.
    #[inline]
    pub fn recv_with_timeout<R>(
        &mut self,
        timeout: Duration,
        work: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, RecvTimeoutError> {
        self.end
            .wait_for_slots(1, until(timeout))
            .map_err(recv_timeout)?;
        self.deal(work).ok_or(RecvTimeoutError::Disconnected)
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
        let there = self.end.wait_for_slots(out.len(), || Timeout::Never);
        Ok(self.copy(out, there.map_err(recv)?))
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
        let there = self.end.wait_for_slots(out.len(), || Timeout::Now);
        Ok(self.copy(out, there.map_err(try_recv)?))
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
        let there = self.end.wait_for_slots(out.len(), until(timeout));
        Ok(self.copy(out, there.map_err(recv_timeout)?))
    }
}

/// Waiting.
impl<T: ShmLayout, const N: usize> Receiver<'_, T, N> {
    /// Waits until there is a living sender: the first one, or after `Disconnected` the next one. Returns at once if there
    /// is one.
    ///
    /// Also returns if a sender joined and left or died in the meantime, and sent something into an empty ring. This end notices
    /// messages only when it looks, so messages that were sent earlier count too, unless it has seen them: receive those
    /// first. It may miss a sender that left without having sent anything.
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
    /// assert!(receiver.recv().is_err()); // it has left
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
        self.end.wait_for_peer_timeout(timeout)
    }
}

/// Iterators over messages that are copied out of the ring.
impl<'a, T: ShmLayout + Copy, const N: usize> Receiver<'a, T, N> {
    /// Messages as they come, until there is none any more and the sender has left or died.
    pub fn iter(&mut self) -> Iter<'_, 'a, T, N> {
        Iter { receiver: self }
    }

    /// The messages that are there, without waiting.
    pub fn try_iter(&mut self) -> TryIter<'_, 'a, T, N> {
        TryIter { receiver: self }
    }
}

impl<T: ShmLayout, const N: usize> Receiver<'_, T, N> {
    /// Copies the next message out, and counts it as received.
    #[inline(always)]
    fn take(&mut self) -> T
    where
        T: ShmValue,
    {
        let slots = self.slots;
        self.end.commit(1, |number| slots[number].load())
    }

    /// Copies the next message to `out`, and counts it as received.
    fn take_into(&mut self, out: &mut T)
    where
        T: ShmValue,
    {
        let slots = self.slots;
        self.end.commit(1, |number| slots[number].load_into(out));
    }

    /// Has `work` deal with the next message, and counts it as received. `None` in a child that `work` has forked.
    #[inline(always)]
    fn deal<R>(&mut self, work: impl FnOnce(&ShmCell<T, ReadOnly>) -> R) -> Option<R> {
        let slots = self.slots;
        self.end
            .commit_one(|number| work(slots[number].read_only()))
    }

    /// Copies the next messages out, and counts them as received.
    fn copy(&mut self, out: &mut [T], there: usize) -> usize
    where
        T: ShmValue,
    {
        let count = there.min(out.len());
        let slots = ShmSlice::new(self.slots);
        self.end.commit(count, |number| {
            let (straight, around) = out[..count].split_at_mut(count.min(N - number));
            slots[number..number + straight.len()].read_into(straight);
            slots[..around.len()].read_into(around);
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

/// Messages as they come: [`Receiver::iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy and receive nothing unless consumed"]
pub struct Iter<'r, 'a, T: ShmLayout, const N: usize> {
    receiver: &'r mut Receiver<'a, T, N>,
}

impl<T: ShmValue, const N: usize> Iterator for Iter<'_, '_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// The messages that are there: [`Receiver::try_iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy and receive nothing unless consumed"]
pub struct TryIter<'r, 'a, T: ShmLayout, const N: usize> {
    receiver: &'r mut Receiver<'a, T, N>,
}

impl<T: ShmValue, const N: usize> Iterator for TryIter<'_, '_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// Messages as they come, with the end itself: `for message in receiver`.
#[derive(Debug)]
#[must_use = "iterators are lazy and receive nothing unless consumed"]
pub struct IntoIter<'a, T: ShmLayout, const N: usize> {
    receiver: Receiver<'a, T, N>,
}

impl<T: ShmValue, const N: usize> Iterator for IntoIter<'_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<'a, T: ShmValue, const N: usize> IntoIterator for Receiver<'a, T, N> {
    type Item = T;
    type IntoIter = IntoIter<'a, T, N>;

    fn into_iter(self) -> Self::IntoIter {
        IntoIter { receiver: self }
    }
}

impl<'r, 'a, T: ShmValue, const N: usize> IntoIterator for &'r mut Receiver<'a, T, N> {
    type Item = T;
    type IntoIter = Iter<'r, 'a, T, N>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
