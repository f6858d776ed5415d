//! The example programs, run for real.

mod output;
mod support;
mod sysmon;
mod torn;
