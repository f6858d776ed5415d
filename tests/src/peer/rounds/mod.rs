//! The operations that a process is killed in, each between two signals.

pub(super) mod broadcast;
pub(super) mod dynamic;
pub(super) mod mutex;
pub(super) mod recoverable;
pub(super) mod ring;
pub(super) mod seqlock;
pub(super) mod waiting;

use std::time::Duration;

use nix::sys::signal::{Signal, raise};

use super::{Answer, Failure, other};

/// Timeout of a wait that nobody ends. It is over before a process that is stepped through has stopped spinning.
const IN_VAIN: Duration = Duration::from_millis(3);
/// The same for a process that must sleep before it gives up, at full speed.
pub const ROUND_TIMEOUT: Duration = Duration::from_millis(200);

/// Runs the work between two signals.
fn marked<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
    raise(Signal::SIGUSR1).map_err(other)?;
    let result = work();
    raise(Signal::SIGUSR1).map_err(other)?;
    Ok(result)
}

/// The same for work that can fail.
fn tried(work: impl FnOnce() -> Answer) -> Answer {
    marked(work)?
}

/// An empty answer.
fn nothing() -> Answer {
    Ok(String::new())
}
