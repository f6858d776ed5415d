//! One message at a time, written or read in its slot.

use std::time::{Duration, Instant};

use super::end::{at, until};
use super::error::{recv, recv_timeout, send_timeout, try_recv, try_send};
use super::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError,
};
use crate::access::ReadOnly;
use crate::cell::ShmCell;
use crate::claim::word::Timeout;
use crate::protocol::ring::count_delivery;
use crate::shm_layout::ShmLayout;

/// Messages of any type that are written in their slot.
impl<T: ShmLayout, const N: usize> Sender<'_, T, N> {
    /// Sends a message that `write` writes directly into its slot: for large messages. Waits while the ring is full.
    ///
    /// The slot contains an earlier message, or zeros. If `write` panics, nothing is sent. If it forks, the parent sends the
    /// message; in the child this call returns the error, and the child must not write to the slot.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the ring is full and the receiver has left or died; `write` is not called.
    pub fn send_with<R>(
        &mut self,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, SendError<()>> {
        match self.end.wait_for_slots(1, || Timeout::Never) {
            Ok(_) => self.push_with(write).ok_or(SendError(())),
            Err(_) => Err(SendError(())),
        }
    }

    /// Sends as [`send_with`](Self::send_with) does, if the ring has room. Never waits, as [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected); `write` is not called.
    pub fn try_send_with<R>(
        &mut self,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, TrySendError<()>> {
        match self.end.wait_for_slots(1, || Timeout::Now) {
            Ok(_) => self.push_with(write).ok_or(TrySendError::Disconnected(())),
            Err(idle) => Err(try_send(idle, ())),
        }
    }

    /// Sends as [`send_with`](Self::send_with) does, and waits for at most `timeout` as [`send_timeout`](Self::send_timeout) does.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or [`Disconnected`](SendTimeoutError::Disconnected); `write` is not called.
    pub fn send_with_timeout<R>(
        &mut self,
        timeout: Duration,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, SendTimeoutError<()>> {
        match self.end.wait_for_slots(1, until(timeout)) {
            Ok(_) => self
                .push_with(write)
                .ok_or(SendTimeoutError::Disconnected(())),
            Err(idle) => Err(send_timeout(idle, ())),
        }
    }

    /// Sends as [`send_with_timeout`](Self::send_with_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`send_with_timeout`](Self::send_with_timeout).
    pub fn send_with_deadline<R>(
        &mut self,
        deadline: Instant,
        write: impl FnOnce(&ShmCell<T>) -> R,
    ) -> Result<R, SendTimeoutError<()>> {
        match self.end.wait_for_slots(1, at(deadline)) {
            Ok(_) => self
                .push_with(write)
                .ok_or(SendTimeoutError::Disconnected(())),
            Err(idle) => Err(send_timeout(idle, ())),
        }
    }

    /// Lets `write` write a message into the next slot, and commits it. `None` in a child that `write` forked.
    #[inline(always)]
    fn push_with<R>(&mut self, write: impl FnOnce(&ShmCell<T>) -> R) -> Option<R> {
        let slots = self.slots;
        self.end.commit_one(|number| write(&slots[number]))
    }
}

/// Messages of any type that are read in their slot.
impl<T: ShmLayout, const N: usize> Receiver<'_, T, N> {
    /// Calls `work` with a message in its slot and the number of its deliveries, and waits while the ring is empty. The message
    /// counts as received when `work` returns, whatever it returns: a `Result` of its own that holds an error does not bring the
    /// message back.
    ///
    /// If the receiver is killed or `work` panics, no message is lost: the next call, of this receiver or its successor, gets it
    /// again. The message may then have been handled partly or wholly; where that matters, store [`position`](Self::position)
    /// with the result. If `work` forks, the message is the parent's, and in the child this call returns the error.
    ///
    /// The number of deliveries is 1 the first time, and one more each time that this call has begun to handle the message. It is
    /// stored in the ring before `work` runs, so it survives the death of every process. A message that ends its receiver each
    /// time, a *poison job*, would end one restarted worker after the other: set it aside when the number is too high.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct Work { jobs: Ring<u64, 8>, rejected: Ring<u64, 8> }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Work::create_anonymous()?;
    /// shm.jobs.sender()?.send_slice(&[1, 666, 2])?;
    /// let (mut jobs, mut rejected) = (shm.jobs.receiver()?, shm.rejected.sender()?);
    /// let mut sum = 0;
    /// while sum < 3 {
    ///     // A panic stands for the death of the process.
    ///     let handled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
    ///         jobs.recv_with(|job, deliveries| {
    ///             if deliveries > 3 {
    ///                 let _ = rejected.try_send(job.get()); // if there is no room, it is dropped
    ///                 return;
    ///             }
    ///             assert_ne!(job.get(), 666);
    ///             sum += job.get();
    ///         })
    ///     }));
    ///     if let Ok(handled) = handled {
    ///         handled?;
    ///     }
    /// }
    /// assert_eq!(shm.rejected.receiver()?.recv(), Ok(666));
    /// # Ok(()) }
    /// ```
    ///
    /// Only this call and its variants count. The number stays at 65,535 once it gets there. A peer that may write to the segment
    /// can change it.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); `work` is not called.
    #[inline]
    pub fn recv_with<R>(
        &mut self,
        work: impl FnOnce(&ShmCell<T, ReadOnly>, u32) -> R,
    ) -> Result<R, RecvError> {
        self.end
            .wait_for_slots(1, || Timeout::Never)
            .map_err(recv)?;
        self.pop_with(work).ok_or(RecvError)
    }

    /// Receives as [`recv_with`](Self::recv_with) does, if there is a message. Never waits, as [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv); `work` is not called.
    #[inline]
    pub fn try_recv_with<R>(
        &mut self,
        work: impl FnOnce(&ShmCell<T, ReadOnly>, u32) -> R,
    ) -> Result<R, TryRecvError> {
        self.end
            .wait_for_slots(1, || Timeout::Now)
            .map_err(try_recv)?;
        self.pop_with(work).ok_or(TryRecvError::Disconnected)
    }

    /// Receives as [`recv_with`](Self::recv_with) does, and waits for at most `timeout` as [`recv_timeout`](Self::recv_timeout)
    /// does.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout); `work` is not called.
    #[inline]
    pub fn recv_with_timeout<R>(
        &mut self,
        timeout: Duration,
        work: impl FnOnce(&ShmCell<T, ReadOnly>, u32) -> R,
    ) -> Result<R, RecvTimeoutError> {
        self.end
            .wait_for_slots(1, until(timeout))
            .map_err(recv_timeout)?;
        self.pop_with(work).ok_or(RecvTimeoutError::Disconnected)
    }

    /// Receives a message as [`recv_with_timeout`](Self::recv_with_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_with_timeout`](Self::recv_with_timeout).
    #[inline]
    pub fn recv_with_deadline<R>(
        &mut self,
        deadline: Instant,
        work: impl FnOnce(&ShmCell<T, ReadOnly>, u32) -> R,
    ) -> Result<R, RecvTimeoutError> {
        self.end
            .wait_for_slots(1, at(deadline))
            .map_err(recv_timeout)?;
        self.pop_with(work).ok_or(RecvTimeoutError::Disconnected)
    }

    /// Calls `work` with the next message and the number of its deliveries, and counts it as received. `None` in a child that
    /// `work` forked.
    #[inline(always)]
    fn pop_with<R>(&mut self, work: impl FnOnce(&ShmCell<T, ReadOnly>, u32) -> R) -> Option<R> {
        let slots = self.slots;
        let deliveries = count_delivery(self.deliveries, self.end.position());
        self.end
            .commit_one(|number| work(slots[number].read_only(), deliveries))
    }
}

/// Looking at the next message.
impl<T: ShmLayout, const N: usize> Receiver<'_, T, N> {
    /// Returns the next message in its slot, if there is one, and leaves it in the ring. Never waits, as
    /// [`try_recv`](Self::try_recv).
    ///
    /// The message stays the next one until this receiver receives it. Several are returned by
    /// [`try_read_chunk`](Self::try_read_chunk).
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u64, 8>::create_anonymous()?;
    /// shm.sender()?.send_slice(&[3, 5])?;
    /// let mut receiver = shm.receiver()?;
    /// if receiver.peek()?.get() == 3 {
    ///     receiver.recv()?;
    /// }
    /// assert_eq!(receiver.peek()?.get(), 5);
    /// assert_eq!(receiver.recv()?, 5);
    /// assert!(receiver.peek().is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn peek(&mut self) -> Result<&ShmCell<T, ReadOnly>, TryRecvError> {
        self.end
            .wait_for_slots(1, || Timeout::Now)
            .map_err(try_recv)?;
        Ok(self.slots[self.end.next_slot()].read_only())
    }
}
