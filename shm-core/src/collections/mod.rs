//! What a struct in shared memory has in place of `String`, `Vec` and pointers.
//!
//! Each is an ordinary field of fixed size, and checks at every use what other processes may have written there.

mod offset;
mod str;
mod vec;

pub use self::offset::ShmOffset;
pub use self::str::{InvalidText, ShmStr, ShmStrView};
pub use self::vec::{ShmVec, ShmVecView, VecFull};
