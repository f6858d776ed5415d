//! A process is killed after each k-th instruction of an operation, and the others must go on.
//!
//! `SHM_STEP_STRIDE=1`, in a release build, looks at every instruction.

mod broadcast;
mod claims;
mod dynamic;
mod levels;
mod recovery;
mod ring;
mod seqlock;
mod waiting;
