//! Guards that cannot leave their thread.

use std::marker::PhantomData;

use crate::diagnostics::{AllowsSending, SharedMemory};

/// A field of the guard `G` that makes it not `Send`. The compiler then prints the message of [`AllowsSending`].
///
/// It is not `Sync` either: where a reference would be `Send`, the compiler drops that message and proposes to borrow the
/// closure. Guards that are `Sync` implement it themselves.
pub(super) struct NotSend<G>(PhantomData<*const G>);

impl<G> NotSend<G> {
    pub(super) const NEW: Self = Self(PhantomData);
}

// SAFETY: the bound never holds. The impl exists for the compiler's message.
unsafe impl<G> Send for NotSend<G> where SharedMemory: AllowsSending<G> {}
