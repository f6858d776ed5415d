//! What a process does between two signals, to be killed in: each operation of each type.

pub(super) mod broadcast;
pub(super) mod mutex;
pub(super) mod ring;
pub(super) mod seqlock;
pub(super) mod waiting;

use std::time::Duration;

use nix::sys::signal::{Signal, raise};

use super::{Answer, Failure, other};

/// How long to wait for what nobody grants. It is over before a process that is stepped through has stopped spinning.
const IN_VAIN: Duration = Duration::from_millis(3);
/// The same for who is to sleep before it gives up, at full speed.
pub const ROUND_TIMEOUT: Duration = Duration::from_millis(200);

/// Does the work between two signals.
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

/// An answer that says nothing.
fn nothing() -> Answer {
    Ok(String::new())
}
