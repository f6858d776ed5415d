//! The error of texts that cannot be stored.

use std::error::Error;
use std::fmt;

use crate::error::debug_with_text;

/// The error returned when a text cannot be stored in a [`ShmStr`](crate::ShmStr).
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidText {
    /// The text has more bytes than there is room for.
    #[non_exhaustive]
    TooLong {
        /// The length in bytes that the text would have.
        len: usize,
        /// The capacity in bytes.
        capacity: usize,
    },
    /// The text contains a NUL, which would end it for readers.
    #[non_exhaustive]
    Nul {
        /// The index of the first NUL, in bytes.
        at: usize,
    },
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, capacity } => write!(
                f,
                "the text has {len} bytes, but the capacity is {capacity}; shorten it, or use a larger `ShmStr`"
            ),
            Self::Nul { at } => write!(
                f,
                "the text has a NUL at index {at}, where it would end; remove it"
            ),
        }
    }
}

impl Error for InvalidText {}

debug_with_text! {
    enum InvalidText { TooLong { len, capacity }, Nul { at } }
}
