//! The types of `shm_core::sync` as their users see them: values, timeouts, and what the death of a process does to the
//! others.

mod barrier;
mod broadcast;
mod deadlines;
mod event;
mod large;
mod memory_barriers;
mod mutex;
mod ring;
mod semaphore;
mod seqlock;
mod wake_readers;
