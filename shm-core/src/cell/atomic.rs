//! Standard atomics seen through a read-only mapping.
//!
//! The standard atomics hold plain integers inside, `AtomicBool` a byte that it compares with zero, so any bytes
//! that another process writes are a value of theirs.

use std::fmt;

use crate::primitive::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, Ordering,
};

/// A standard atomic that can only be loaded: what an atomic field is through a read-only mapping.
#[repr(transparent)]
pub struct LoadOnly<T>(T);

macro_rules! load_only {
    ($($atomic:ident: $value:ty),* $(,)?) => {$(
        impl LoadOnly<$atomic> {
            /// Loads the value, as the atomic's own `load`.
            ///
            /// # Panics
            ///
            /// If `order` is `Release` or `AcqRel`, as the standard library does.
            #[must_use]
            #[inline]
            pub fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }
        }

        impl fmt::Debug for LoadOnly<$atomic> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.load(Ordering::Relaxed), f)
            }
        }
    )*};
}

load_only! {
    AtomicU8: u8, AtomicU16: u16, AtomicU32: u32, AtomicU64: u64,
    AtomicI8: i8, AtomicI16: i16, AtomicI32: i32, AtomicI64: i64,
    AtomicBool: bool,
}
