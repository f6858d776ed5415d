//! The error of vectors without room.

use std::error::Error;
use std::fmt;

use crate::error::debug_with_text;

/// The error returned when a [`ShmVec`](crate::ShmVec) has no room for the values to append. Holds the value that [`push`] was called
/// with.
///
/// [`push`]: super::ShmVecView::push
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VecFull<T>(pub T);

debug_with_text! { struct VecFull<T>(..); }

impl<T> fmt::Display for VecFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the vector is full; remove elements first, or use a larger capacity")
    }
}

impl<T> Error for VecFull<T> {}
