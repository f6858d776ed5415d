//! Code shared by the example programs.
//!
//! Start with the files in `examples/`: each begins with what it shows, the command that runs it, and its output. Each is
//! a single file, except the `sysmon` programs, whose code is in [`sysmon`].

pub mod child;
pub mod sysmon;
