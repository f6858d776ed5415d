//! Reading a message in its slot, which the sender may overwrite meanwhile.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use super::BroadcastReceiver;
use crate::access::{Access, ReadOnly};
use crate::cell::ShmCell;
use crate::shm_layout::ShmLayout;
use crate::sync::broadcast::{RecvError, RecvTimeoutError, TryRecvError};
use crate::sys::clock::Deadline;

/// Messages that are read in their slot.
impl<T: ShmLayout + Copy, const N: usize, A: Access> BroadcastReceiver<'_, T, N, A> {
    /// Calls `look` with the next message in its slot, without a copy, and returns its result. Waits for the message as
    /// [`recv`](Self::recv) does. Use it for large messages.
    ///
    /// The sender does not wait for `look`: when it begins with the `N`th message after this one, it overwrites the slot. Then the
    /// result of `look` is dropped, and this call returns [`Lagged`](RecvError::Lagged), which counts this message. Such a `look`
    /// may have seen parts of both messages, so it should not rely on relations between fields, and what it does elsewhere must
    /// not depend on the message being whole. It is called at most once.
    ///
    /// A panic counts only if the message was whole. It then goes on, and the message does not count as received: the next call
    /// returns it again, as with a [`Ring`](crate::sync::Ring). Otherwise this call returns `Lagged`, although the panic's message
    /// was printed. (In a program that aborts on panics, every panic ends it.)
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Broadcast;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Two frames of 1 MiB.
    /// let frames = Broadcast::<[u32; 1 << 18], 2>::create_anonymous()?;
    /// let (mut sender, mut receiver) = (frames.sender()?, frames.receiver());
    /// sender.send_with(|frame| frame.fill(7))?;
    /// let corners = receiver.recv_with(|frame| (frame[0].get(), frame[frame.len() - 1].get()))?;
    /// assert_eq!(corners, (7, 7));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Lagged`](RecvError::Lagged), [`Disconnected`](RecvError::Disconnected). Leaves that are enums or `char`s are checked by
    /// their own `try_get`.
    pub fn recv_with<R>(
        &mut self,
        look: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, RecvError> {
        let look = Cell::new(Some(look));
        loop {
            let found = self.wait(looker(&look), || Deadline::NEVER)?;
            if let Some(found) = found.flatten() {
                return Ok(self.looked(found));
            }
        }
    }

    /// Calls `look` with the next message as [`recv_with`](Self::recv_with) does, if there is one. Never waits, as
    /// [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty), and those of [`recv_with`](Self::recv_with).
    #[inline]
    pub fn try_recv_with<R>(
        &mut self,
        look: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, TryRecvError> {
        let look = Cell::new(Some(look));
        match self.poll(looker(&look))?.flatten() {
            Some(found) => Ok(self.looked(found)),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Calls `look` with the next message as [`recv_with`](Self::recv_with) does, and waits for the message for at most `timeout` as
    /// [`recv_timeout`](Self::recv_timeout) does.
    ///
    /// # Errors
    ///
    /// [`Timeout`](RecvTimeoutError::Timeout), and those of [`recv_with`](Self::recv_with).
    pub fn recv_with_timeout<R>(
        &mut self,
        timeout: Duration,
        look: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, RecvTimeoutError> {
        self.look_until(|| Deadline::after(timeout), look)
    }

    /// Calls `look` with the next message as [`recv_with_timeout`](Self::recv_with_timeout) does, and waits for the message until
    /// `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_with_timeout`](Self::recv_with_timeout).
    pub fn recv_with_deadline<R>(
        &mut self,
        deadline: Instant,
        look: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, RecvTimeoutError> {
        self.look_until(|| Deadline::at(deadline), look)
    }

    fn look_until<R>(
        &mut self,
        deadline: impl FnOnce() -> Deadline,
        look: impl FnOnce(&ShmCell<T, ReadOnly>) -> R,
    ) -> Result<R, RecvTimeoutError> {
        let look = Cell::new(Some(look));
        match self.wait(looker(&look), deadline)?.flatten() {
            Some(found) => Ok(self.looked(found)),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// The result of a look at a message that was whole, or its panic.
    #[inline(always)]
    fn looked<R>(&mut self, found: thread::Result<R>) -> R {
        found.unwrap_or_else(|panic| {
            self.cursor = self.cursor.wrapping_sub(1);
            resume_unwind(panic)
        })
    }
}

/// Returns a closure that calls `look` with a message, and catches its panic. `None` if `look` has been called before, which
/// does not happen: each call is followed by a result or by a loss, and either ends the wait.
#[inline(always)]
fn looker<T: ShmLayout, A: Access, R, F: FnOnce(&ShmCell<T, ReadOnly>) -> R>(
    look: &Cell<Option<F>>,
) -> impl Fn(&ShmCell<T, A>) -> Option<thread::Result<R>> {
    |slot| {
        let look = look.take()?;
        Some(catch_unwind(AssertUnwindSafe(|| look(slot.read_only()))))
    }
}
