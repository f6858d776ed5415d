//! The one door through which atomics come in, so that a model checker can stand behind it.
//!
//! Cells address foreign memory and therefore always use the real atomics. Protocols that are built on words
//! of their own take them from [`model`].

pub(crate) use core::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, Ordering,
};

/// What protocols are made of: the real atomics, or loom's in a build that checks models.
pub(crate) mod model {
    #[cfg(not(all(loom, test)))]
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, fence};
    #[cfg(all(loom, test))]
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

    use super::Ordering;

    /// An atomic that can be looked at.
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

    /// Loads by `order` through a mapping that may be written, or through one that may not.
    ///
    /// On pages without `PROT_WRITE` the standard library promises an atomic load only where it is relaxed: with another
    /// ordering it may be made of an instruction that writes. There a fence behind a relaxed load acquires. (It orders
    /// all that was loaded before, and so more than the load itself would.)
    #[inline(always)]
    pub(crate) fn load<W: Word>(word: &W, order: Ordering, writable: bool) -> W::Value {
        if writable || order != Ordering::Acquire {
            return word.load_by(order);
        }
        let value = word.load_by(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// Stores with `Release`, and keeps everything that comes after from being done before: a store and
    /// `fence(SeqCst)` in one.
    ///
    /// On x86-64 an exchange is both, in a third of the time of `mfence`.
    #[inline(always)]
    pub(crate) fn publish(word: &AtomicU64, value: u64) {
        #[cfg(all(target_arch = "x86_64", not(loom)))]
        {
            word.swap(value, Ordering::SeqCst);
            // The processor orders what follows; this is for the compiler.
            core::sync::atomic::compiler_fence(Ordering::SeqCst);
        }
        #[cfg(not(all(target_arch = "x86_64", not(loom))))]
        {
            word.store(value, Ordering::Release);
            fence(Ordering::SeqCst);
        }
    }
}
