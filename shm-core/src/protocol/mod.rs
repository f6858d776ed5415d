//! The protocols: all steps on words in shared memory that other processes rely on, over atomics alone.
//!
//! Clock, kernel and peers are traits, so that the models in `protocol/loom` can check each protocol in every order that the memory
//! model allows. [`claim`](crate::claim) and [`sync`](crate::sync) use them.
//!
//! Each file starts with its states, orderings and crash story. In these tables "peer" is any process that has mapped the
//! segment for writing, and a "probe" asks the kernel whether a participant is alive.

pub(crate) mod attempts;
pub(crate) mod barrier;
pub(crate) mod broadcast;
pub(crate) mod claim_word;
pub(crate) mod counter;
pub(crate) mod event;
pub(crate) mod eventcount;
pub(crate) mod liveness;
#[cfg(all(loom, test))]
mod loom;
pub(crate) mod padded;
pub(crate) mod ring;
pub(crate) mod semaphore;
pub(crate) mod seqlock;
pub(crate) mod sightings;
pub(crate) mod wait;
