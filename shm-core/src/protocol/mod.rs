//! The protocols: every step on a word in shared memory that others wait for or rely on, over atomics alone.
//!
//! Clock, kernel and peers come in through traits, so that [`loom`] can check each protocol in every order that the memory
//! model allows. What uses them is in [`claim`](crate::claim) and [`sync`](crate::sync).

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
pub(crate) mod wait;
