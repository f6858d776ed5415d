//! Claims: exclusive roles that survive the death of who has them.
//!
//! - [`word`]: the protocol on the word in shared memory;
//! - [`participant`]: how a process shows that it lives, and sees whether others do;
//! - [`process`]: how a process finds its own id, in one nanosecond;
//! - [`slices`]: sleep that is cut by the clock;
//! - [`live`]: the three together: what sync types are made of.

#[cfg(not(loom))]
pub(crate) mod live;
#[cfg(all(loom, test))]
mod model;
pub(crate) mod participant;
pub(crate) mod process;
#[cfg(not(loom))]
pub(crate) mod slices;
pub(crate) mod word;

#[cfg(not(loom))]
pub(crate) use live::{ClaimWord, Patience, Refused};
pub(crate) use participant::{Participant, Place, Registration, map};
#[cfg(not(loom))]
pub(crate) use slices::Slices;
pub(crate) use word::Turn;
