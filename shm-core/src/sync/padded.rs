//! Words that writers and readers fight over, each on lines of the cache of its own.

use std::ops::Deref;

/// A value on cache lines of its own. Two lines, because processors fetch them in pairs.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Padded<T>(pub(super) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
