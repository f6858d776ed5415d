//! Claims: which process holds a lock, and what happens to the lock when that process dies or loses something.

mod losses;
mod observers;
mod own_thread;
mod owners;
mod pids;
mod spawning;
