//! The sequence lock with several slots: readers that never wait, and a writer that never waits for them.
//!
//! - [`protocol`]: the steps on the shared words, and their crash story;
//! - [`lock`]: the type, and reading;
//! - [`write`], [`guard`], [`private`]: writing;
//! - [`error`]: what can become of both.

#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod guard;
#[cfg(not(loom))]
mod lock;
#[cfg(all(loom, test))]
mod model;
#[cfg(not(loom))]
mod private;
pub(crate) mod protocol;
#[cfg(not(loom))]
mod write;

#[cfg(not(loom))]
pub use error::{ReadError, WriteError};
#[cfg(not(loom))]
pub use guard::SeqLockWriteGuard;
#[cfg(not(loom))]
pub use lock::SeqLock;
