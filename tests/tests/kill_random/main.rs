//! Processes are killed at random instants, over and over, and the others must go on.

mod broadcast;
mod claims;
mod creation;
mod ring;
mod seqlock;
mod waiting;
