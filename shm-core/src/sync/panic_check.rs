//! Panics during the lifetime of a guard.

use std::thread::panicking;

/// Detects whether the thread starts to panic during the lifetime of a guard.
///
/// A guard that a destructor makes in a thread that is already panicking starts and ends during the same panic, which says
/// nothing about the guard's work. As with [`std::sync::Mutex`], a second panic cannot be detected there.
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

    /// Whether the thread is panicking now and was not when this was made.
    #[inline(always)]
    pub(super) fn panicked(self) -> bool {
        !self.already && panicking()
    }
}
