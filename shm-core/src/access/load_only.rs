//! Standard atomics seen through a read-only mapping.
//!
//! The standard atomics hold plain integers inside, `AtomicBool` a byte that it compares with zero, so any bytes
//! that another process writes are a value of theirs.
//!
//! On pages without `PROT_WRITE` the standard library promises an atomic load only where it is relaxed: with another
//! ordering it may be made of an instruction that writes. So the ordering comes from a fence beside a relaxed load.

use std::fmt;
use std::sync::atomic::fence;

use crate::primitive::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, Ordering,
};

/// A standard atomic that can only be loaded: what an atomic field is through a read-only mapping.
///
/// It has no `store`, no `fetch_add` and no `compare_exchange`, because each of them writes, also where the value stays as it
/// is. The compiler says "no method named `fetch_add` found for struct `ShmCell<AtomicU64, ReadOnly>`". Attach with
/// [`attach`](crate::ShmLayout::attach) in place of [`attach_read_only`](crate::ShmLayout::attach_read_only) for them.
///
/// ```
/// use shm_core::ShmLayout;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// # let name = format!("/doc-load-only-{}", std::process::id());
/// let shm = AtomicU64::create(&name)?;
/// shm.fetch_add(1, Ordering::Release);
/// let looker = AtomicU64::attach_read_only(&name)?;
/// assert_eq!(looker.load(Ordering::Acquire), 1);
/// # Ok(()) }
/// ```
#[doc(alias = "fetch_add")]
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
