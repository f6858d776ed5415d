//! Standard atomics in a read-only mapping.
//!
//! The standard atomics hold plain integers, and `AtomicBool` a byte that it compares with zero, so any bytes that
//! another process writes are valid.
//!
//! On pages without `PROT_WRITE` the standard library guarantees only relaxed atomic loads; with another ordering the
//! compiler may use an instruction that writes. So every load here is relaxed, and fences provide the ordering.

use std::fmt;
use std::sync::atomic::fence;

use crate::primitive::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, Ordering,
};

/// A standard atomic that can only be loaded. Atomic fields of a read-only mapping deref to this type.
///
/// It has no `store`, `fetch_add` or `compare_exchange`, because each of them writes, even one that leaves the value
/// unchanged. The compiler reports "no method named `fetch_add` found for struct `ShmCell<AtomicU64, ReadOnly>`". To
/// use them, call [`attach`](crate::ShmLayout::attach) instead of
/// [`attach_read_only`](crate::ShmLayout::attach_read_only).
///
/// ```
/// use shm_core::ShmLayout;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// # let name = format!("/doc-load-only-{}", std::process::id());
/// let shm = AtomicU64::create(&name)?;
/// shm.fetch_add(1, Ordering::Release);
/// let reader = AtomicU64::attach_read_only(&name)?;
/// assert_eq!(reader.load(Ordering::Acquire), 1);
/// # Ok(()) }
/// ```
#[doc(alias = "fetch_add")]
#[repr(transparent)]
pub struct LoadOnly<T>(T);

macro_rules! load_only {
    ($($atomic:ident: $value:ty),* $(,)?) => {$(
        impl LoadOnly<$atomic> {
            /// Loads the value, as the `load` of the standard atomic does.
            ///
            /// # Panics
            ///
            /// Panics if `order` is `Release` or `AcqRel`, as the standard library does.
            #[must_use]
            #[inline]
            pub fn load(&self, order: Ordering) -> $value {
                match order {
                    Ordering::Acquire => {
                        let value = self.0.load(Ordering::Relaxed);
                        fence(Ordering::Acquire);
                        value
                    }
                    Ordering::SeqCst => {
                        fence(Ordering::SeqCst);
                        let value = self.0.load(Ordering::Relaxed);
                        fence(Ordering::Acquire);
                        value
                    }
                    other => self.0.load(other),
                }
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
