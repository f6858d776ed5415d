//! The error of joining and waiting.

use std::error::Error;
use std::fmt;

use crate::error::{ShmError, debug_with_text};
use crate::sync::Owner;

/// A barrier was not joined, or not passed.
#[non_exhaustive]
pub enum BarrierError {
    /// Living participants hold all seats.
    Full,
    /// The participant in this seat died or panicked before it arrived in this round. The caller has arrived, and keeps its
    /// own seat. It can wait again, which succeeds once a new participant has taken the dead one's seat and arrived.
    Died {
        /// The number of the seat, from 0.
        seat: usize,
    },
    /// Not all participants arrived in time; none of the missing ones has died. The caller has arrived, and can wait again.
    TimedOut {
        /// The number of the first seat that has not arrived, from 0.
        seat: usize,
        /// The process that holds this seat. `None` if the seat is free.
        owner: Option<Owner>,
    },
    /// This process does not own the seat. It inherited the seat by `fork`, and has to join to get its own; or a peer wrote
    /// into the words of the barrier.
    NotOwner,
    /// This process could not register as a participant, so that others could not notice its death. This happens in children
    /// of `fork`, which register when they first join. The error is the system's, in a box so
    /// that results stay small.
    Unregistered(Box<ShmError>),
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(
                "living participants, or some that died a moment ago, hold all seats of the barrier; wait with `join_timeout` \
                 until one drops its seat or dies; `seat_owner` returns their processes",
            ),
            Self::Died { seat } => write!(
                f,
                "the participant in seat {seat} of the barrier died before it arrived; let a new participant join, then wait again"
            ),
            Self::TimedOut {
                seat,
                owner: Some(owner),
            } => write!(
                f,
                "timed out while {owner} in seat {seat} had not arrived at the barrier; wait again, or end that process"
            ),
            Self::TimedOut { seat, owner: None } => write!(
                f,
                "timed out while seat {seat} of the barrier was free; let a participant join, then wait again"
            ),
            Self::NotOwner => f.write_str(
                "the seat belongs to another process; a child of `fork` has to `join` for a seat of its own",
            ),
            Self::Unregistered(error) => write!(f, "this process cannot join a barrier: {error}"),
        }
    }
}

impl Error for BarrierError {}

debug_with_text! {
    enum BarrierError { Full, Died { seat }, TimedOut { seat, owner }, NotOwner, Unregistered(error) }
}
