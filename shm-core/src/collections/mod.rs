//! Replacements for `String`, `Vec` and pointers in shared memory.
//!
//! Each is a plain field of fixed size. Every use checks the bytes, which other processes can overwrite.

mod offset;
mod str;
#[cfg(test)]
mod tests;
mod vec;

pub use self::offset::ShmOffset;
pub use self::str::{InvalidText, ShmStr, ShmStrView};
pub(crate) use self::str::{read_text, write_text};
pub use self::vec::{InsertError, ShmVec, ShmVecView, VecFull};
