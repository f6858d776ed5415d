//! A queue with one sender and any number of receivers, of which slow ones lose messages: its ends, and what can become of a
//! message.
//!
//! The queue itself is [`Broadcast`]. The errors of a [`Ring`](super::Ring) have the same names, and are exported by
//! [`sync`](super) itself.

// - `protocol`: the steps on the shared words, and their crash story;
// - `queue`: the type;
// - `sender`, `receiver`: its ends.

#[cfg(not(loom))]
mod error;
#[cfg(all(loom, test))]
mod model;
pub(crate) mod protocol;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod receiver;
#[cfg(not(loom))]
mod sender;

#[cfg(not(loom))]
pub use error::{RecvError, RecvTimeoutError, SendError, SenderError, TryRecvError};
#[cfg(not(loom))]
pub use queue::Broadcast;
#[cfg(not(loom))]
pub use receiver::BroadcastReceiver;
#[cfg(not(loom))]
pub use sender::BroadcastSender;
