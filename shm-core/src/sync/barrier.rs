//! The barrier. [`protocol`] has its states, orderings and crash story.

#[cfg(not(loom))]
mod error;
#[cfg(all(loom, test))]
mod model;
mod protocol;
#[cfg(not(loom))]
mod seat;
#[cfg(not(loom))]
mod view;

#[cfg(not(loom))]
pub use error::BarrierError;
#[cfg(not(loom))]
pub use seat::{BarrierSeat, BarrierWaitResult};
#[cfg(not(loom))]
pub use view::Barrier;
