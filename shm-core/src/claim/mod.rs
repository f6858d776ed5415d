//! Claims: exclusive roles that survive the death of who has them.
//!
//! - [`participant`]: how a process shows that it lives, and sees whether others do;
//! - [`process`]: how a process finds its own id, in one nanosecond;
//! - [`wait`]: sleep that is cut by the clock;
//! - [`word`]: the three together with the protocol on the word in shared memory: what sync types are made of.

pub(crate) mod participant;
pub(crate) mod process;
pub(crate) mod wait;
// It stands on the real atomics, and the protocol on those of the model.
#[cfg(not(loom))]
pub(crate) mod word;

pub(crate) use participant::{AddressWindows, Participant, RegisterArgs, map};
