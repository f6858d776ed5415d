//! Typed POSIX shared memory.
//!
//! `#[derive(ShmLayout)]` turns a plain struct into a segment that processes share: the compiler rejects what cannot
//! be shared, `create` and `attach` refuse what does not match, and a process that dies or misbehaves does not make
//! another one hang, crash or read outside the segment.
//!
//! ```
//! use shm_core::ShmLayout;
//!
//! #[derive(Clone, Copy, Debug, ShmLayout)]
//! #[repr(C)]
//! pub struct Telemetry {
//!     pub frame: u64,
//!     pub position: [f64; 3],
//!     pub temperature: f32,
//!     pub flags: u32,
//! }
//!
//! # fn main() -> Result<(), shm_core::ShmError> {
//! # let name = format!("/doc-lib-{}", std::process::id());
//! // Process A. The name appears only once the segment is complete; it goes when `shm` is dropped.
//! let shm = Telemetry::create(&name)?;
//! shm.frame.set(1);
//! shm.position[0].set(2.5);
//! shm.store(Telemetry { frame: 2, ..shm.load() });
//!
//! // Process B. The pages are read-only, and `set` does not compile.
//! let shm = Telemetry::attach_read_only(&name)?;
//! assert_eq!(shm.frame.get(), 2);
//! # Ok(()) }
//! ```
//!
//! # Where to look
//!
//! - [`ShmLayout`]: the derive, and every way to make or find a segment.
//! - [`Shm`]: the handle; [`ShmOptions`]: mode, group, sparseness and the like.
//! - [`ShmCell`], [`ShmSlice`]: what fields and arrays are in shared memory.
//! - [`sync`]: types that bring processes into step, and survive the death of any of them.
//! - [`list()`], [`sweep()`]: which segments there are, and removing those that nobody uses any more.
//! - [`ShmStr`], [`ShmVec`], [`ShmOffset`]: text, vectors, and what to store instead of a pointer.
//! - [`ShmError`]: what can go wrong.
//! - [`layout`]: layouts as data, for programs that inspect types or decode segments.

// Under loom only the protocols are built for use; what stands on them is left out.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "shm-core runs on Linux only: it needs O_TMPFILE, open file description locks and sealed memfds"
);

#[cfg(not(all(
    target_has_atomic = "64",
    target_has_atomic = "32",
    target_has_atomic = "16",
    target_has_atomic = "8"
)))]
compile_error!("shm-core needs a processor with atomic accesses of 1, 2, 4 and 8 bytes");

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "shm-core needs a 64-bit processor: segments and lock offsets are counted in 64 bits"
);

mod access;
pub mod cell;
mod claim;
pub mod collections;
// Not `doc(hidden)` for the compiler too: its messages would give the traits in there with their whole paths.
#[cfg_attr(doc, doc(hidden))]
pub mod diagnostics;
mod error;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod layout;
mod name;
mod primitive;
mod protocol;
pub mod segment;
mod shm_layout;
// They stand on the real atomics, and the protocols on those of the model.
#[cfg(not(loom))]
pub mod sync;
mod sys;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use access::{Access, ReadOnly, ReadWrite, Writable};
#[doc(inline)]
pub use cell::{ShmCell, ShmSlice, ShmValue};
#[doc(inline)]
pub use collections::{ShmOffset, ShmStr, ShmVec};
pub use error::{InvalidValue, ShmError};
#[doc(inline)]
pub use layout::TypeLayout;
#[doc(inline)]
pub use segment::{SegmentInfo, SegmentState, Shm, ShmOptions, list, sweep};
pub use shm_layout::ShmLayout;

/// The programs in the crate's README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

/// See [`ShmLayout`](trait@ShmLayout).
pub use shm_derive::ShmLayout;
