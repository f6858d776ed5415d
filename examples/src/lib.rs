//! What the example programs share.
//!
//! Start with the files in `examples/`: each begins with the command that runs it
//! and what one sees. All but the `sysmon` programs are one file each. Those are thin, and
//! the parts they are made of are here, in [`sysmon`].

pub mod child;
pub mod sysmon;
