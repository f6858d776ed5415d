//! Typed POSIX shared memory.
#![allow(dead_code, unused_imports)]

mod access;
mod error;
mod layout;
mod name;
mod segment;
mod sys;

pub use access::{Access, ReadOnly, ReadWrite, Writable};
pub use error::{Existing, ShmError};
pub use layout::{ShmLayout, TypeLayout};
pub use segment::{Shm, ShmOptions};
