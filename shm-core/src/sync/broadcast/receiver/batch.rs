//! Receiving several messages at once.

use std::time::{Duration, Instant};

use super::{BroadcastReceiver, copier, uninit};
use crate::access::Access;
use crate::cell::ShmValue;
use crate::protocol::broadcast::{self as protocol, Correct, Counters, SlotRead};
use crate::shm_layout::ShmLayout;
use crate::sync::broadcast::{RecvError, RecvTimeoutError, TryRecvError};
use crate::sys::clock::Deadline;

/// Messages that are copied out of the queue, several at once.
impl<T: ShmLayout + Copy, const N: usize, A: Access> BroadcastReceiver<'_, T, N, A> {
    /// Receives as many messages as there are, at least one and at most `out.len()`, and waits while there is none. Returns how
    /// many; 0 only if `out` is empty. The elements after these hold unspecified values.
    ///
    /// Stops at the first message that was overwritten: the next call returns `Lagged`.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Broadcast;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ticks = Broadcast::<u64, 8>::create_anonymous()?;
    /// let (mut sender, mut receiver) = (ticks.sender()?, ticks.receiver());
    /// for tick in 0..5 {
    ///     sender.send(tick)?;
    /// }
    /// let mut batch = [0; 4];
    /// assert_eq!(receiver.recv_slice(&mut batch)?, 4);
    /// assert_eq!(batch, [0, 1, 2, 3]);
    /// assert_eq!(receiver.recv_slice(&mut batch)?, 1);
    /// assert_eq!(batch[0], 4);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`recv_into`](Self::recv_into), and nothing was received.
    pub fn recv_slice(&mut self, out: &mut [T]) -> Result<usize, RecvError>
    where
        T: ShmValue,
    {
        let Some((first, rest)) = out.split_first_mut() else {
            return Ok(0);
        };
        self.recv_into(first)?;
        Ok(1 + self.take_available(rest))
    }

    /// Receives several messages as [`recv_slice`](Self::recv_slice) does, if there is one. Never waits, as
    /// [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// As [`try_recv_into`](Self::try_recv_into), and nothing was received.
    pub fn try_recv_slice(&mut self, out: &mut [T]) -> Result<usize, TryRecvError>
    where
        T: ShmValue,
    {
        let Some((first, rest)) = out.split_first_mut() else {
            return Ok(0);
        };
        self.try_recv_into(first)?;
        Ok(1 + self.take_available(rest))
    }

    /// Receives several messages as [`recv_slice`](Self::recv_slice) does, and waits for the first for at most `timeout` as
    /// [`recv_timeout`](Self::recv_timeout) does.
    ///
    /// # Errors
    ///
    /// As [`recv_into_timeout`](Self::recv_into_timeout), and nothing was received.
    pub fn recv_slice_timeout(
        &mut self,
        out: &mut [T],
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.recv_slice_until(out, || Deadline::after(timeout))
    }

    /// Receives several messages as [`recv_slice_timeout`](Self::recv_slice_timeout) does, and waits for the first until
    /// `deadline` at the latest.
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
        self.recv_slice_until(out, || Deadline::at(deadline))
    }

    fn recv_slice_until(
        &mut self,
        out: &mut [T],
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<usize, RecvTimeoutError>
    where
        T: ShmValue,
    {
        let Some((first, rest)) = out.split_first_mut() else {
            return Ok(0);
        };
        self.recv_into_until(first, deadline)?;
        Ok(1 + self.take_available(rest))
    }

    /// Receives the available messages into `out`, and returns how many.
    fn take_available(&mut self, out: &mut [T]) -> usize
    where
        T: ShmValue,
    {
        let broadcast = self.sender.role();
        let counters = &broadcast.counters;
        receive_available::<A>(counters, N, &mut self.cursor, out.len(), |index, slot| {
            copier(uninit(&mut out[index]))(&broadcast.slots[slot]);
        })
    }
}

/// Receives the available messages, at most `most`, and returns how many. `copy` gets the index of each among these, and its
/// slot.
pub(in crate::sync::broadcast) fn receive_available<A: Access>(
    counters: &Counters,
    slots: usize,
    cursor: &mut u64,
    most: usize,
    mut copy: impl FnMut(usize, usize),
) -> usize {
    for index in 0..most {
        let mut next = *cursor;
        let copy = |slot| copy(index, slot);
        match protocol::receive::<Correct<A>, ()>(counters, slots, &mut next, copy) {
            SlotRead::Message(()) => *cursor = next,
            // The caller returns messages and no loss. With the cursor where it is, the next call finds the loss again.
            SlotRead::Lost(_) | SlotRead::Empty => return index,
        }
    }
    most
}
