//! The example programs, run for real.

mod lru;
mod output;
mod pass_fd;
mod support;
mod sysmon;
mod torn;
