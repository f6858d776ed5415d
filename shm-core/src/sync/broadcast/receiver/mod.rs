//! The receiving end.
//!
//! - this file: the end, and receiving a copy of a message;
//! - [`batch`]: copies of several at once;
//! - [`in_place`]: reading a message in its slot.

mod batch;
mod in_place;

use std::cell::Cell;
use std::fmt;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use super::{Broadcast, RecvError, RecvTimeoutError, TryRecvError};
use crate::access::{Access, ReadWrite};
use crate::cell::{ShmCell, ShmValue, checked, copy};
use crate::protocol::broadcast::{self as protocol, Correct, Mutations, RecvOutcome, SlotRead};
use crate::protocol::liveness::PeerWatch;
use crate::shm_layout::ShmLayout;
use crate::sync::TimedOut;
use crate::sync::sleeper::Sleeper;
use crate::sys::clock::{Deadline, RateLimiter};

#[cfg(all(test, not(loom)))]
pub(super) use batch::receive_available;

/// The least time between two probes of the sender by calls that do not wait, which may come a million times a second. It is
/// longer than that of a ring, which has one receiver: any number of receivers probe one sender, and the kernel answers all of
/// them from one list under one lock.
const BETWEEN_PROBES: Duration = Duration::from_millis(10);

/// A receiving end of a [`Broadcast`], from [`Broadcast::receiver`]. There can be any number. Each receives every message, unless
/// it falls behind.
///
/// A receiver is a position in the sequence of messages, in the memory of its process: other processes do not know of it.
/// Dropping it loses the position. A clone continues independently from the same position.
///
/// A [`sync::Receiver`](crate::sync::Receiver) can also peek at a message, read chunks of slots, iterate, and count the
/// deliveries of a message. This receiver does not: the sender may overwrite a slot at any time, which each call has to report
/// as `Lagged`, and no message is delivered again after a death.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Broadcast;
/// use shm_core::sync::broadcast::RecvError;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ticks = Broadcast::<u64, 4>::create_anonymous()?;
/// let (mut sender, mut receiver) = (ticks.sender()?, ticks.receiver());
/// for tick in 0..10 {
///     sender.send(tick)?;
/// }
/// drop(sender);
///
/// let (mut seen, mut lost) = (Vec::new(), 0);
/// loop {
///     match receiver.recv() {
///         Ok(tick) => seen.push(tick),
///         // Too slow. The next call returns the oldest message that is left.
///         Err(RecvError::Lagged(count)) => lost += count,
///         Err(RecvError::Disconnected) => break,
///         Err(error) => return Err(error.into()),
///     }
/// }
/// assert_eq!((lost, seen), (6, vec![6, 7, 8, 9]));
/// # Ok(()) }
/// ```
#[must_use = "dropping a `BroadcastReceiver` loses its position, and a new one misses what was sent before"]
pub struct BroadcastReceiver<'a, T, const N: usize, A: Access = ReadWrite> {
    /// The queue and the liveness of its sender.
    sender: PeerWatch<'a, Broadcast<T, N, A>>,
    /// The number of the next message.
    cursor: u64,
    /// When to probe the sender next.
    probes: RateLimiter,
    /// Whether this receiver waits for the next sender when the last one is gone.
    reconnects: bool,
}

impl<'a, T: ShmLayout + Copy, const N: usize, A: Access> BroadcastReceiver<'a, T, N, A> {
    pub(super) fn new(broadcast: &'a Broadcast<T, N, A>, cursor: u64) -> Self {
        Self {
            sender: PeerWatch::new(broadcast),
            cursor,
            probes: RateLimiter::new(),
            reconnects: false,
        }
    }

    /// The same receiver, which waits for the next sender instead of returning `Disconnected`, as
    /// [`sync::Receiver::reconnecting`](crate::sync::Receiver::reconnecting) does.
    ///
    /// When everything has been received, a receiver returns `Disconnected` at once if the last sender has left or died. With
    /// this setting there is just no message yet, whether or not a process holds the sender: [`recv`](Self::recv) waits without a
    /// limit, calls with a timeout return `Timeout` when it is over, and calls that never wait return `Empty`. A waiting receiver
    /// sleeps until a sender joins or sends. It does not probe whether the sender is alive;
    /// [`is_disconnected`](Self::is_disconnected) still does.
    ///
    /// The next sender has to join the same segment. One that replaces the segment (`supersede`) joins the new one: wait with a
    /// timeout, and look at [`Shm::is_current`](crate::Shm::is_current) after each `Timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Broadcast;
    /// use shm_core::sync::broadcast::RecvTimeoutError;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ticks = Broadcast::<u64, 4>::create_anonymous()?;
    /// let mut receiver = ticks.receiver().reconnecting();
    /// drop(ticks.sender()?); // a sender that joins and leaves, or dies
    /// let waited = receiver.recv_timeout(Duration::from_millis(1));
    /// assert!(matches!(waited, Err(RecvTimeoutError::Timeout)));
    ///
    /// ticks.sender()?.send(7)?;
    /// assert_eq!(receiver.recv()?, 7);
    /// # Ok(()) }
    /// ```
    pub fn reconnecting(self) -> Self {
        Self {
            reconnects: true,
            ..self
        }
    }

    /// Whether the sender has left or died, and no other has joined since then. `false` as long as no sender has ever joined.
    /// Never waits.
    ///
    /// Messages may still be in the queue: if this returns `true`, all that the sender sent can be received without a wait. The
    /// answer costs a system call while a process holds the sender, and none after it has left or was found dead.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.sender.is_gone(Correct::<A>::has_left) || self.sender.is_dead()
    }

    /// Receives the next message, and waits for it as long as it takes.
    ///
    /// The sender wakes a receiver that may write to the segment. One with a read-only mapping
    /// [polls](crate::sync#read-only-handles).
    ///
    /// # Errors
    ///
    /// [`Lagged`](RecvError::Lagged), [`Disconnected`](RecvError::Disconnected). [`Invalid`](RecvError::Invalid) only for types
    /// with enums or `char`s.
    #[inline(always)]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        match self.receive_once() {
            Some(received) => received,
            None => self.wait_and_recv(),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_and_recv(&mut self) -> Result<T, RecvError> {
        let mut message = MaybeUninit::uninit();
        while self
            .wait(copier(&mut message), || Deadline::NEVER)?
            .is_none()
        {}
        valid(message)
    }

    /// Receives the next message into a new box as [`recv`](Self::recv) does, without a copy on the stack: for large messages.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_boxed(&mut self) -> Result<Box<T>, RecvError> {
        let mut message = Box::new_uninit();
        while self
            .wait(copier(&mut message), || Deadline::NEVER)?
            .is_none()
        {}
        check(&mut message)?;
        // SAFETY: all bytes are initialised, and every leaf is valid.
        Ok(unsafe { message.assume_init() })
    }

    /// Receives the next message if there is one. Never waits, but may probe whether the sender is alive: a few system calls, at
    /// most every 10 ms. (An end of a [`Ring`](crate::sync::Ring) probes up to every millisecond. A broadcast has any number of
    /// receivers, and each of them probes.) After `Disconnected` because of a death, it returns that without another probe until
    /// another sender joins.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty), and those of [`recv`](Self::recv).
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.receive_once() {
            Some(received) => Ok(received?),
            None => self.look_and_recv(),
        }
    }

    #[cold]
    #[inline(never)]
    fn look_and_recv(&mut self) -> Result<T, TryRecvError> {
        let mut message = MaybeUninit::uninit();
        match self.poll(copier(&mut message))? {
            Some(()) => Ok(valid(message)?),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Receives the next message, and waits for at most `timeout` on the monotonic clock. A dead sender is detected before the
    /// timeout, however short that is.
    ///
    /// # Errors
    ///
    /// [`Timeout`](RecvTimeoutError::Timeout), and those of [`recv`](Self::recv).
    #[inline]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(|| Deadline::after(timeout))
    }

    /// Receives the next message as [`recv_timeout`](Self::recv_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    #[inline]
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(|| Deadline::at(deadline))
    }

    /// Receives the next message into `out` as [`recv`](Self::recv) does, without a copy on the stack: for large messages. After
    /// an error `out` holds an unspecified value.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), without `Invalid`.
    #[inline]
    pub fn recv_into(&mut self, out: &mut T) -> Result<(), RecvError>
    where
        T: ShmValue,
    {
        while self
            .wait(copier(uninit(out)), || Deadline::NEVER)?
            .is_none()
        {}
        Ok(())
    }

    /// Receives the next message into `out` as [`try_recv`](Self::try_recv) does. After an error `out` holds an unspecified
    /// value.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv), without `Invalid`.
    #[inline]
    pub fn try_recv_into(&mut self, out: &mut T) -> Result<(), TryRecvError>
    where
        T: ShmValue,
    {
        self.poll(copier(uninit(out)))?.ok_or(TryRecvError::Empty)
    }

    /// Receives the next message into `out` as [`recv_timeout`](Self::recv_timeout) does. After an error `out` holds an
    /// unspecified value.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout), without `Invalid`.
    #[inline]
    pub fn recv_into_timeout(
        &mut self,
        out: &mut T,
        timeout: Duration,
    ) -> Result<(), RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.recv_into_until(out, || Deadline::after(timeout))
    }

    /// Receives the next message into `out` as [`recv_into_timeout`](Self::recv_into_timeout) does, and waits until `deadline` at
    /// the latest.
    ///
    /// # Errors
    ///
    /// As [`recv_into_timeout`](Self::recv_into_timeout).
    #[inline]
    pub fn recv_into_deadline(
        &mut self,
        out: &mut T,
        deadline: Instant,
    ) -> Result<(), RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.recv_into_until(out, || Deadline::at(deadline))
    }

    /// Waits until there is a message to receive or a living sender: the first one, or after
    /// [`Disconnected`](RecvError::Disconnected) the next one. Returns at once if there is. A receiver that is
    /// [`reconnecting`](Self::reconnecting) does not need this call.
    ///
    /// Call it after `Disconnected`, and receive again when it returns. As long as messages are left it returns at once, also if
    /// [`is_disconnected`](Self::is_disconnected) is `true`: a loop of these two calls that receives nothing spins. A sender may
    /// join, send nothing and leave, so the next call to receive may be `Disconnected` again.
    pub fn wait_for_sender(&self) {
        while self.sender_until(|| Deadline::NEVER).is_err() {}
    }

    /// Waits as [`wait_for_sender`](Self::wait_for_sender) does, for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn wait_for_sender_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        self.sender_until(|| Deadline::after(timeout))
    }

    /// Waits as [`wait_for_sender`](Self::wait_for_sender) does, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`TimedOut`].
    pub fn wait_for_sender_deadline(&self, deadline: Instant) -> Result<(), TimedOut> {
        self.sender_until(|| Deadline::at(deadline))
    }

    fn sender_until(&self, deadline: impl FnOnce() -> Deadline) -> Result<(), TimedOut> {
        if self.behind() > 0 {
            return Ok(());
        }
        let (broadcast, cursor) = (self.sender.role(), self.cursor);
        let (counters, arrived) = (&broadcast.counters, &broadcast.sender_state.arrived);
        let sleeper = &mut Sleeper::through::<A>(deadline()).for_commits();
        let sender = &self.sender;
        let found =
            protocol::wait_for_sender::<Correct<A>, _>(counters, cursor, sender, arrived, sleeper);
        if found { Ok(()) } else { Err(TimedOut) }
    }

    /// The number of the next message, counted from 0 over all senders as in
    /// [`BroadcastSender::position`](super::BroadcastSender::position). It grows by one with each message that is received or
    /// skipped as invalid, and by `n` with `Lagged(n)`.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> u64 {
        self.cursor
    }

    /// The number of messages that were sent and not yet received here. If it is more than `N`, some are lost.
    #[must_use]
    pub fn behind(&self) -> u64 {
        let behind =
            protocol::tail::<Correct<A>>(&self.sender.role().counters).wrapping_sub(self.cursor);
        // Negative if a peer has set `tail` back.
        u64::try_from(behind.cast_signed()).unwrap_or(0)
    }

    /// Receives the next message if there is one, which is all that most calls do. No call sees the place of the copy, so the
    /// compiler keeps a small message in registers.
    #[inline(always)]
    fn receive_once(&mut self) -> Option<Result<T, RecvError>> {
        let mut message = MaybeUninit::uninit();
        let (broadcast, cursor) = (self.sender.role(), &mut self.cursor);
        let found = {
            let copy = copier(&mut message);
            let copy = |slot| copy(&broadcast.slots[slot]);
            protocol::receive::<Correct<A>, _>(&broadcast.counters, N, cursor, copy)
        };
        match found {
            SlotRead::Message(()) => Some(valid(message)),
            SlotRead::Lost(count) => Some(Err(RecvError::Lagged(count))),
            SlotRead::Empty => None,
        }
    }

    /// Calls `read` with the next message in its slot if there is one. `None` if there is none.
    #[inline]
    fn poll<R>(&mut self, read: impl Fn(&'a ShmCell<T, A>) -> R) -> Result<Option<R>, RecvError> {
        let mut outcome = self.poll_once(&read, false);
        if outcome.is_none() && self.probe_is_due() {
            outcome = self.poll_once(&read, true);
        }
        received(outcome)
    }

    /// Looks once for a message, and calls `read` with its slot. Probes the sender if `probing`.
    #[inline(always)]
    fn poll_once<R>(
        &mut self,
        read: impl Fn(&'a ShmCell<T, A>) -> R,
        probing: bool,
    ) -> Option<RecvOutcome<R>> {
        let (broadcast, cursor) = (self.sender.role(), Cell::new(self.cursor));
        let (counters, read) = (&broadcast.counters, |slot| read(&broadcast.slots[slot]));
        let outcome =
            protocol::poll::<Correct<A>, _>(counters, N, &cursor, self.watched(), probing, read);
        self.cursor = cursor.get();
        outcome
    }

    #[inline(always)]
    fn recv_until(&mut self, deadline: impl FnOnce() -> Deadline) -> Result<T, RecvTimeoutError> {
        let mut message = MaybeUninit::uninit();
        match self.wait(copier(&mut message), deadline)? {
            Some(()) => Ok(valid(message)?),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    #[inline(always)]
    fn recv_into_until(
        &mut self,
        out: &mut T,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(), RecvTimeoutError>
    where
        T: ShmValue,
    {
        self.wait(copier(uninit(out)), deadline)?
            .ok_or(RecvTimeoutError::Timeout)
    }

    /// Calls `read` with the next message in its slot, and waits for it. `None` after the deadline.
    #[inline]
    fn wait<R>(
        &mut self,
        read: impl Fn(&'a ShmCell<T, A>) -> R,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<Option<R>, RecvError> {
        // Reads the clock only if there is no message yet.
        match self.poll_once(&read, false) {
            None => self.sleep(read, deadline),
            outcome => received(outcome),
        }
    }

    #[cold]
    fn sleep<R>(
        &mut self,
        read: impl Fn(&'a ShmCell<T, A>) -> R,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<Option<R>, RecvError> {
        let (broadcast, cursor) = (self.sender.role(), Cell::new(self.cursor));
        let (counters, read) = (&broadcast.counters, |slot| read(&broadcast.slots[slot]));
        let mut sleeper = Sleeper::through::<A>(deadline()).for_commits();
        let waking = (&broadcast.sender_state.arrived, &mut sleeper);
        if let Some(sender) = self.watched() {
            sender.look_before_waiting();
        }
        let outcome =
            protocol::wait::<Correct<A>, _, _>(counters, N, &cursor, self.watched(), waking, read);
        self.cursor = cursor.get();
        received(outcome)
    }

    #[cold]
    fn probe_is_due(&mut self) -> bool {
        !self.reconnects && self.probes.is_due(BETWEEN_PROBES)
    }

    /// The sender, if the receiver reports its end.
    #[inline(always)]
    fn watched(&self) -> Option<&PeerWatch<'a, Broadcast<T, N, A>>> {
        (!self.reconnects).then_some(&self.sender)
    }
}

/// Returns a closure that copies a message to `out`, and initialises all its bytes.
#[inline(always)]
fn copier<T: ShmLayout + Copy, A: Access>(
    out: &mut MaybeUninit<T>,
) -> impl Fn(&ShmCell<T, A>) + '_ {
    let out = Cell::from_mut(out);
    move |slot| {
        let place = slot.as_mut_ptr();
        // SAFETY: the cell is live, aligned and readable; `out` is private memory that is borrowed exclusively.
        unsafe { copy::read_one(out.as_ptr().cast(), place) };
    }
}

#[inline(always)]
fn received<R>(outcome: Option<RecvOutcome<R>>) -> Result<Option<R>, RecvError> {
    match outcome {
        Some(RecvOutcome::Message(result)) => Ok(Some(result)),
        Some(RecvOutcome::Lost(count)) => Err(RecvError::Lagged(count)),
        Some(RecvOutcome::Gone) => Err(RecvError::Disconnected),
        None => Ok(None),
    }
}

/// A value as memory to receive into.
#[inline(always)]
fn uninit<T: ShmValue>(out: &mut T) -> &mut MaybeUninit<T> {
    let out = std::ptr::from_mut(out).cast::<MaybeUninit<T>>();
    // SAFETY: it is borrowed exclusively, and only copies of slots are written to it, which are valid for `T` because all
    // leaves are plain.
    unsafe { &mut *out }
}

/// The message that was copied, if its bytes are a value. Plain types need no check.
#[inline(always)]
fn valid<T: ShmLayout + Copy>(mut message: MaybeUninit<T>) -> Result<T, RecvError> {
    check(&mut message)?;
    // SAFETY: all bytes are initialised, and every leaf is valid.
    Ok(unsafe { message.assume_init() })
}

/// Checks that the message that was copied is a value.
#[inline(always)]
fn check<T: ShmLayout + Copy>(message: &mut MaybeUninit<T>) -> Result<(), RecvError> {
    // `validate` is a call, which plain types need not make.
    if const { !T::LAYOUT.is_checked() } {
        return Ok(());
    }
    // SAFETY: a message was received, so all bytes are initialised, and the memory is private.
    unsafe { checked::validate_one(message.as_mut_ptr()) }.map_err(RecvError::Invalid)
}

impl<T, const N: usize, A: Access> Clone for BroadcastReceiver<'_, T, N, A> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            ..*self
        }
    }
}

impl<T, const N: usize, A: Access> fmt::Debug for BroadcastReceiver<'_, T, N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastReceiver")
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
