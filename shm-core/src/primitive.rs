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
    pub(crate) use core::sync::atomic::AtomicU32;
    #[cfg(all(loom, test))]
    pub(crate) use loom::sync::atomic::AtomicU32;
}
