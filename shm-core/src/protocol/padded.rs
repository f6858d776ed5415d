//! Words on cache lines of their own.

use std::ops::Deref;

/// A word alone on a pair of cache lines, since processors fetch lines in pairs.
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
