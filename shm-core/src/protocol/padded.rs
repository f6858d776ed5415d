//! Words that keep out of each other's way.

use std::ops::Deref;

/// A word on a line of the cache of its own, and on a pair of lines, since processors fetch these together.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
