//! A seat in a barrier, and waiting.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Barrier, BarrierError};
use crate::protocol::barrier::{self as protocol, RoundOutcome};
use crate::sync::panic_check::PanicCheck;
use crate::sync::sleeper::{Futex, Sleeper};
use crate::sys::clock::Deadline;

/// A seat in a [`Barrier`], from [`Barrier::join`]: its owner has to arrive in every round. Dropping it leaves the barrier.
///
/// If the owner's process is killed, the other participants get [`BarrierError::Died`] in the first round in which it has not
/// arrived. If its thread panics and drops the seat, the same happens. In a fork child an inherited seat is the parent's:
/// waiting is [`BarrierError::NotOwner`], and dropping it does nothing.
///
/// ```
/// use std::time::Duration;
/// use shm_core::ShmLayout;
/// use shm_core::sync::{Barrier, BarrierError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let barrier = Barrier::<2>::create_anonymous()?;
/// // The other participant would be in another process or thread.
/// let (mut mine, mut other) = (barrier.join()?, barrier.join()?);
///
/// // The other does not arrive in time. This one has arrived.
/// let late = mine.wait_timeout(Duration::from_millis(1));
/// assert!(matches!(late, Err(BarrierError::TimedOut { seat: 1, .. })));
/// assert!(mine.has_arrived());
///
/// // The other arrives, and both pass, one of them as the leader.
/// assert!(other.wait()?.is_leader());
/// assert!(!mine.wait()?.is_leader());
/// assert_eq!((mine.round(), other.round()), (1, 1));
/// # Ok(()) }
/// ```
#[must_use = "dropping a `BarrierSeat` leaves the barrier at once"]
pub struct BarrierSeat<'a, const N: usize> {
    barrier: &'a Barrier<N>,
    seat: usize,
    /// The participant id that the seat is claimed with.
    me: u32,
    /// The round in which this seat arrives next.
    round: u32,
    panicking: PanicCheck,
}

/// The result of passing a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Whether this participant is the leader of the round that was passed. Exactly one participant is, or none if the leader
    /// was killed before its wait returned.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        self.leader
    }
}

impl<'a, const N: usize> BarrierSeat<'a, N> {
    pub(super) fn new(barrier: &'a Barrier<N>, seat: usize, me: u32) -> Self {
        Self {
            barrier,
            seat,
            me,
            round: protocol::round(barrier),
            panicking: PanicCheck::new(),
        }
    }

    /// The number of the seat, from 0.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.seat
    }

    /// The number of the round in which this seat arrives next, or has arrived and not passed.
    #[must_use]
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// Whether this seat has arrived in its [`round`](Self::round) and not passed: after a timeout, or because its previous
    /// owner arrived and then died or left. The work for this round has then been done, and must not be done again: the other
    /// participants may already be in the next round.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        protocol::has_arrived(self.barrier, self.seat, self.round)
    }

    /// Arrives, and waits until all participants have arrived.
    ///
    /// If an earlier wait failed, this seat has arrived already, and this only waits.
    ///
    /// # Errors
    ///
    /// [`Died`](BarrierError::Died); [`NotOwner`](BarrierError::NotOwner).
    pub fn wait(&mut self) -> Result<BarrierWaitResult, BarrierError> {
        self.within(|| Deadline::NEVER)
    }

    /// Arrives, and waits until all participants have arrived, for at most `timeout` on the monotonic clock.
    ///
    /// A dead participant is detected before the timeout, however short that is. After a timeout the arrival stays, and the other
    /// participants may pass. Wait again before doing anything that has to happen after the round.
    ///
    /// # Errors
    ///
    /// [`Died`](BarrierError::Died); [`TimedOut`](BarrierError::TimedOut); [`NotOwner`](BarrierError::NotOwner).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<BarrierWaitResult, BarrierError> {
        self.within(|| Deadline::after(timeout))
    }

    /// Arrives, and waits as [`wait_timeout`](Self::wait_timeout) does, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline(&mut self, deadline: Instant) -> Result<BarrierWaitResult, BarrierError> {
        self.within(|| Deadline::at(deadline))
    }

    fn within(
        &mut self,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<BarrierWaitResult, BarrierError> {
        if !self.barrier.seats[self.seat].claim.is_held_by(self.me) {
            return Err(BarrierError::NotOwner);
        }
        protocol::arrive(self.barrier, self.seat, self.round);
        // The last participant to arrive does not read the clock.
        let outcome = protocol::try_complete(self.barrier, self.round, &Futex).or_else(|| {
            let mut sleeper = Sleeper::until(deadline()).paced_by(&self.barrier.round);
            protocol::wait(self.barrier, self.round, &mut sleeper, &Futex)
        });
        let missing = || protocol::first_missing(self.barrier, self.round);
        // The last participant may have arrived since.
        let outcome = outcome.or_else(|| match missing() {
            None => protocol::try_complete(self.barrier, self.round, &Futex),
            Some(_) => None,
        });
        match outcome {
            Some(RoundOutcome::Passed { next, leader }) => {
                self.round = next;
                Ok(BarrierWaitResult { leader })
            }
            Some(RoundOutcome::Died { seat }) => Err(BarrierError::Died { seat }),
            None => {
                let seat = missing().unwrap_or(self.seat);
                let owner = self.barrier.seat_owner(seat);
                Err(BarrierError::TimedOut { seat, owner })
            }
        }
    }
}

impl<const N: usize> Drop for BarrierSeat<'_, N> {
    fn drop(&mut self) {
        let poison = self.panicking.panicked();
        let claim = &self.barrier.seats[self.seat].claim;
        claim.release(self.me, poison);
        // A fork child has released nothing, so there is nothing to notify.
        if claim.is_mine(self.me) {
            protocol::notify_left(&self.barrier.left, &Futex);
        }
    }
}

impl<const N: usize> fmt::Debug for BarrierSeat<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierSeat")
            .field("number", &self.seat)
            .field("round", &self.round)
            .finish_non_exhaustive()
    }
}
