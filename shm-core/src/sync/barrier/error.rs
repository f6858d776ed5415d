//! What can become of a meeting.

use std::error::Error;
use std::fmt;

use crate::error::{ShmError, debug_with_text};

/// Why a barrier was not joined or not passed.
#[non_exhaustive]
pub enum BarrierError {
    /// All seats are taken by living participants.
    Full,
    /// The participant that had this seat died, or panicked, before it arrived in this round. The caller has arrived,
    /// and still has its own seat: it can wait again, which goes well once somebody has joined in the place of the dead
    /// one and arrived.
    Died {
        /// The number of the seat, from 0.
        seat: usize,
    },
    /// Not all have arrived in time; nobody who is missed has died. The caller has arrived, and can wait again.
    TimedOut,
    /// The seat is not this process's. It inherited it by `fork`; its own it gets by joining. Or a peer has written
    /// something else into the words of the barrier.
    NotOurs,
    /// This process could not register as a participant, so its death would go unnoticed. It happens in children of
    /// `fork`, which register when they first join: the error says what the system refused.
    Unregistered(ShmError),
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(
                "all seats of the barrier are taken by participants that live, or that have died a moment ago; a seat is free \
                 when its owner drops it or ends, so wait with `join_timeout`",
            ),
            Self::Died { seat } => write!(
                f,
                "the participant in seat {seat} of the barrier died before it arrived; let another one join, and wait again"
            ),
            Self::TimedOut => f.write_str(
                "not all have arrived at the barrier in time, and none of those that are missed has died; wait again",
            ),
            Self::NotOurs => f.write_str(
                "the seat belongs to another process; a child of `fork` has to join by itself",
            ),
            Self::Unregistered(error) => write!(f, "this process cannot have a seat: {error}"),
        }
    }
}

impl Error for BarrierError {}

debug_with_text! {
    enum BarrierError { Full, Died { seat }, TimedOut, NotOurs, Unregistered(error) }
}
