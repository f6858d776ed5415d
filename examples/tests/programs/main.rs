//! The example programs, run for real.

mod lru;
mod output;
mod support;
mod sysmon;
mod torn;
