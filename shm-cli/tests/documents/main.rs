//! What the README and its pictures show is what the command prints.
//!
//! `SNAPSHOTS=overwrite TRYCMD=overwrite cargo test -p shm-cli --test documents` writes them again, except the picture of `watch`, which
//! `SNAPSHOTS=overwrite cargo test -p shm-cli --bin shm picture` writes.

mod console;
mod pictures;
mod segments;
mod sysmon;
