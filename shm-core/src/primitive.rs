//! Every atomic type that the crate uses, imported here so that loom can replace it.
//!
//! Cells address memory that loom does not own and always use the real atomics. Protocols on their own words import
//! them from [`model`].

pub(crate) use core::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, Ordering,
};

/// The atomics that protocols use: the real ones, or loom's in a build that checks models.
pub(crate) mod model {
    #[cfg(not(all(loom, test)))]
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, fence};
    #[cfg(all(loom, test))]
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

    use super::Ordering;

    /// An atomic that can be loaded.
    pub(crate) trait Word {
        type Value;

        fn load_by(&self, order: Ordering) -> Self::Value;
    }

    macro_rules! words {
        ($($atomic:ty: $value:ty),* $(,)?) => {$(
            impl Word for $atomic {
                type Value = $value;

                #[inline(always)]
                fn load_by(&self, order: Ordering) -> $value {
                    self.load(order)
                }
            }
        )*};
    }

    words! {
        core::sync::atomic::AtomicU32: u32,
        core::sync::atomic::AtomicU64: u64,
    }
    #[cfg(all(loom, test))]
    words! {
        AtomicU32: u32,
        AtomicU64: u64,
    }

    /// Loads with `order` through a mapping that is writable or read-only.
    ///
    /// On pages without `PROT_WRITE` the standard library guarantees only relaxed atomic loads; with another ordering
    /// the compiler may use an instruction that writes. There a relaxed load is followed by an acquire fence, which is
    /// stronger: it orders all earlier loads too.
    #[inline(always)]
    pub(crate) fn load<W: Word>(word: &W, order: Ordering, writable: bool) -> W::Value {
        if writable || order != Ordering::Acquire {
            return word.load_by(order);
        }
        let value = word.load_by(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// What orders a commit before the check for sleepers that follows it.
    ///
    /// As wide as a pointer, because the compiler copies the padding of a claim that it moves, in several steps.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(usize)]
    pub(crate) enum CommitOrder {
        /// A full fence of the process that commits.
        Fenced,
        /// A process that is about to sleep: it makes all registered processes pass a full fence, and this one is registered.
        /// See [`eventcount`](crate::protocol::eventcount).
        Registered,
    }

    /// Stores with `Release`. Unless the process is registered, `fence(SeqCst)` follows.
    ///
    /// On x86-64 one exchange does both, in a third of the time of `mfence`.
    #[inline(always)]
    pub(crate) fn publish(word: &AtomicU64, value: u64, order: CommitOrder) {
        if order == CommitOrder::Registered {
            return word.store(value, Ordering::Release);
        }
        #[cfg(all(target_arch = "x86_64", not(loom)))]
        {
            word.swap(value, Ordering::SeqCst);
            // The exchange orders the processor; this orders the compiler.
            core::sync::atomic::compiler_fence(Ordering::SeqCst);
        }
        #[cfg(not(all(target_arch = "x86_64", not(loom))))]
        {
            word.store(value, Ordering::Release);
            fence(Ordering::SeqCst);
        }
    }

    /// Whether a read-modify-write of shared memory is a full fence of the processor.
    pub(crate) const EXCHANGE_IS_FENCE: bool = cfg!(all(
        target_arch = "x86_64",
        not(any(loom, miri, shm_portable_copy))
    ));

    /// `fence(SeqCst)`, where the last access of shared memory was a read-modify-write, which on x86-64 was one.
    #[inline(always)]
    pub(crate) fn fence_after_exchange() {
        if EXCHANGE_IS_FENCE {
            core::sync::atomic::compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }
}
