//! The semaphore. [`protocol`] has its states, orderings and crash story.

#[cfg(all(loom, test))]
mod model;
mod protocol;
#[cfg(not(loom))]
mod view;

#[cfg(not(loom))]
pub use view::{Semaphore, TooManyPermits};
