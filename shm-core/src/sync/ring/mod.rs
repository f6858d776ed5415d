//! A bounded queue from one process to another: [`Ring`], its ends, and what can become of a message.

// - `protocol`: the counters in shared memory, and how the two ends wait for each other;
// - `queue`: the type, and its layout;
// - `end`: what the two ends have in common: a claim, patience, and a cached counter;
// - `sender`, `receiver`: the ends;
// - `error`: what can become of a message.

#[cfg(not(loom))]
mod end;
#[cfg(not(loom))]
mod error;
#[cfg(all(loom, test))]
mod model;
mod protocol;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod receiver;
#[cfg(not(loom))]
mod sender;

#[cfg(not(loom))]
pub use error::{
    EndError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
#[cfg(not(loom))]
pub use queue::Ring;
#[cfg(not(loom))]
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
#[cfg(not(loom))]
pub use sender::Sender;
