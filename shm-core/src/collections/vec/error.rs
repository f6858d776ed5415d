//! The errors of adding to a vector.

use std::error::Error;
use std::fmt;

use crate::error::debug_with_text;

/// The error returned when a [`ShmVec`](crate::ShmVec) has no room for the values to append. Contains the value for which there
/// is no room, from [`push`] and [`extend`].
///
/// [`push`]: super::ShmVecView::push
/// [`extend`]: super::ShmVecView::extend
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VecFull<T>(pub T);

/// The error returned when a value is not inserted into a [`ShmVec`](crate::ShmVec). Contains the value.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum InsertError<T> {
    /// There are as many elements as the capacity.
    Full(T),
    /// There are fewer elements than the index.
    OutOfBounds(T),
}

impl<T> InsertError<T> {
    /// Returns the value.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::OutOfBounds(value) => value,
        }
    }
}

debug_with_text! {
    struct VecFull<T>(..);
    enum InsertError<T> { Full(..), OutOfBounds(..) }
}

const FULL: &str = "the vector is full; remove elements first, or use a larger capacity";

impl<T> fmt::Display for VecFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FULL)
    }
}

impl<T> Error for VecFull<T> {}

impl<T> fmt::Display for InsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => FULL,
            Self::OutOfBounds(_) => {
                "the vector has fewer elements than the index; insert at most at `len()`, or use `push`"
            }
        })
    }
}

impl<T> Error for InsertError<T> {}
