//! Claims: exclusive roles that another process can take over when their owner dies.
//!
//! - [`membarrier`]: whether this process commits without a fence, and how it interrupts those that do;
//! - [`own_thread`]: which claims a thread holds, so that it does not wait for itself;
//! - [`participant`]: how a process shows that it is alive, and detects that others are dead;
//! - [`pids`]: the pids of participants, for people to read;
//! - [`process`]: how a process finds its own id in a nanosecond;
//! - [`reader_wakes`]: waking readers that cannot announce that they sleep;
//! - [`wait`]: sleeping in slices, with probes between them;
//! - [`windows`]: where segments are mapped, so that an address tells the segment;
//! - [`word`]: all of them combined with the protocol on the word in shared memory. Sync types build on it.

// These need the real atomics, but under loom the protocol uses those of the model.
pub(crate) mod membarrier;
#[cfg(not(loom))]
mod own_thread;
pub(crate) mod participant;
mod pids;
pub(crate) mod process;
pub(crate) mod reader_wakes;
pub(crate) mod wait;
mod windows;
#[cfg(not(loom))]
pub(crate) mod word;

pub(crate) use participant::{Participant, RegisterArgs};
pub(crate) use windows::{AddressWindows, map};
