//! What the example programs share.
//!
//! Start with the files in `examples/`: each begins with the command that runs it
//! and what one sees. `fork_demo`, `lru_cache` and `pass_fd` are one file each; the `sysmon` programs are thin, and
//! the parts they are made of are here, in [`sysmon`].

pub mod sysmon;
