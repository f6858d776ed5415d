//! Panics in the life of a guard.

use std::thread::panicking;

/// Whether its thread begins to panic while this lives.
///
/// A guard that a destructor makes in a thread that is panicking already lives and ends in the same panic, which says nothing
/// about the guard's work. As with [`std::sync::Mutex`], nobody can see a second panic there.
#[derive(Clone, Copy, Debug)]
pub(super) struct PanicCheck {
    already: bool,
}

impl PanicCheck {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            already: panicking(),
        }
    }

    /// Whether the thread panics now and did not at first.
    #[inline(always)]
    pub(super) fn panicked(self) -> bool {
        !self.already && panicking()
    }
}
