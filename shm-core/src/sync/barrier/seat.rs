//! A place in a barrier, and waiting from it.

use std::fmt;
use std::time::Duration;

use super::{Barrier, BarrierError};
use crate::protocol::barrier::{self as protocol, RoundOutcome};
use crate::sync::panic_check::PanicCheck;
use crate::sync::sleeper::{Futex, Sleeper};
use crate::sys::clock::Deadline;

/// A seat in a [`Barrier`]: the right, and the duty, to arrive in every round. Dropping it leaves the barrier.
///
/// If its thread panics meanwhile, the others are told as if it had died. Killed with it, a process is told of in the first
/// round in which it has not arrived. In a fork child an inherited seat is still the parent's: waiting is
/// [`BarrierError::NotOurs`], and dropping it does nothing.
///
/// ```
/// use std::time::Duration;
/// use shm_core::ShmLayout;
/// use shm_core::sync::{Barrier, BarrierError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let barrier = Barrier::<2>::create_anonymous()?;
/// // The other one would be another process, or a thread.
/// let (mut mine, mut other) = (barrier.join()?, barrier.join()?);
///
/// // It does not come in time. The own arrival stays.
/// let late = mine.wait_timeout(Duration::from_millis(1));
/// assert!(matches!(late, Err(BarrierError::TimedOut)));
/// assert!(mine.has_arrived());
///
/// // It comes, and all go on: one of them as the leader.
/// assert!(other.wait()?.is_leader());
/// assert!(!mine.wait()?.is_leader());
/// assert_eq!((mine.round(), other.round()), (1, 1));
/// # Ok(()) }
/// ```
#[must_use = "dropping a `BarrierSeat` leaves the barrier at once"]
pub struct BarrierSeat<'a, const N: usize> {
    barrier: &'a Barrier<N>,
    seat: usize,
    /// The id that the seat is claimed by.
    me: u32,
    /// The round to arrive in next.
    round: u32,
    panicking: PanicCheck,
}

/// What passing a barrier tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Whether this participant is the leader of the round that was passed: exactly one is, unless that one is killed
    /// before it knows.
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

    /// Whether this seat has arrived in its [`round`](Self::round) and not passed: after a timeout, or because who had the
    /// seat before died, or left, after it had arrived. What was to be done before this round has been done then, and
    /// should not be done again: the others may already be in the next.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        protocol::has_arrived(self.barrier, self.seat, self.round)
    }

    /// Arrives, and waits until all have.
    ///
    /// Where this has failed before, the arrival still counts, and this goes on waiting.
    ///
    /// # Errors
    ///
    /// [`Died`](BarrierError::Died); [`NotOurs`](BarrierError::NotOurs).
    pub fn wait(&mut self) -> Result<BarrierWaitResult, BarrierError> {
        self.within(Duration::MAX)
    }

    /// Arrives, and waits until all have, for at most `timeout` on the monotonic clock.
    ///
    /// However short the timeout is, a participant that is dead is found before it ends. The arrival is not taken back
    /// when the time is up: the others may pass. Wait again to know when they have, and before anything that is to come
    /// after that.
    ///
    /// # Errors
    ///
    /// [`Died`](BarrierError::Died); [`TimedOut`](BarrierError::TimedOut); [`NotOurs`](BarrierError::NotOurs).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<BarrierWaitResult, BarrierError> {
        self.within(timeout)
    }

    fn within(&mut self, timeout: Duration) -> Result<BarrierWaitResult, BarrierError> {
        if !self.barrier.seats[self.seat].claim.is_held_by(self.me) {
            return Err(BarrierError::NotOurs);
        }
        protocol::arrive(self.barrier, self.seat, self.round);
        // The last to arrive does not even ask for the time.
        let outcome = protocol::try_complete(self.barrier, self.round, &Futex).or_else(|| {
            let mut sleeper = Sleeper::until(Deadline::after(timeout));
            protocol::wait(self.barrier, self.round, &mut sleeper, &Futex)
        });
        match outcome {
            Some(RoundOutcome::Passed { next, leader }) => {
                self.round = next;
                Ok(BarrierWaitResult { leader })
            }
            Some(RoundOutcome::Died { seat }) => Err(BarrierError::Died { seat }),
            None => Err(BarrierError::TimedOut),
        }
    }
}

impl<const N: usize> Drop for BarrierSeat<'_, N> {
    fn drop(&mut self) {
        let poison = self.panicking.panicked();
        let claim = &self.barrier.seats[self.seat].claim;
        claim.release(self.me, poison);
        // In a fork child nothing was left, and there is nothing to tell.
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
