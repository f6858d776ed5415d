//! The example programs, run for real.

mod lru;
mod output;
mod pass_fd;
mod support;
mod sync;
mod sysmon;
mod telemetry;
mod torn;
