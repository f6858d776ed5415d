//! Typed shared memory for processes that may die at any instruction.
//!
//! `#[derive(ShmLayout)]` turns a plain struct into a segment that processes share. The compiler refuses fields that cannot
//! be shared. Every field is a cell, read and written atomically through `&self`.
//!
//! ```
//! use shm_core::ShmLayout;
//! use shm_core::sync::SeqLock;
//!
//! #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
//! #[repr(C)]
//! struct Sample { frame: u64, position: [f64; 3] }
//!
//! #[derive(ShmLayout)]
//! #[repr(C)]
//! struct Telemetry { newest: SeqLock<Sample>, battery: [f32; 32] }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("/doc-lib-{}", std::process::id());
//! // Process A. The name appears when the segment is complete, and goes when `shm` is dropped.
//! let shm = Telemetry::create(&name)?;
//! shm.newest.store(Sample { frame: 1, position: [0.5; 3] })?; // readers see all of it or nothing
//! shm.battery[7].set(3.7);
//!
//! // Process B. The pages are read-only, and `set` does not compile.
//! let shm = Telemetry::attach_read_only(&name)?;
//! assert_eq!(shm.newest.read()?.frame, 1);
//! assert_eq!(shm.battery[7].get(), 3.7);
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//!
//! - A name never leads to an incomplete segment, and attaching refuses another layout.
//! - A process that is killed at any instruction leaves nothing that stops the next one. The types in [`sync`] survive the
//!   death of any process that uses them.
//! - Whatever bytes a peer writes, reading returns a value of the field's type, inside the segment, or an error.
//!
//! # Safety
//!
//! The public API is safe. No reference to a plain value in shared memory exists, only cells and atomics. `unsafe` is inside
//! this crate. A peer that accesses a leaf by another width, or not atomically, is outside every memory model, and one that
//! truncates a named segment's file causes `SIGBUS`: share named segments only with users you trust.
//!
//! # Platform
//!
//! 64-bit Linux and Rust 1.88 or later. Named segments need Linux 3.15 and a tmpfs at `/dev/shm`, anonymous ones Linux 3.17;
//! tests run on 6.18. Types in [`sync`] need `/proc` or a name.
//!
//! # Where to look
//!
//! - [`guide`]: everything by example; [`guide::patterns`]: a program per problem; [`guide::choosing`]: which type to use;
//!   [`guide::recovery`]: values that survive a death under a [`Mutex`](sync::Mutex); [`guide::crash_model`]: what others see.
//! - [`ShmLayout`]: the derive, and all functions that make or find a segment; [`ShmOptions`]: mode, group, waiting and the like.
//! - [`Shm`]: the handle; [`ShmCell`] and [`ShmSlice`]: fields and arrays; [`ShmStr`], [`ShmVec`] and [`ShmOffset`]: text,
//!   vectors and links; [`sync`]: locks, queues and waiting; [`ShmError`]: what can go wrong.
//! - [`list()`] and [`sweep()`]: the segments of the system; [`layout`]: layouts as data; [`dynamic`]: segments without their
//!   Rust type.

// Under loom only the protocols are built for use; what stands on them is left out.
#![cfg_attr(loom, allow(dead_code, unused_imports))]
// What an example imports is copied along with it.
#![doc(test(attr(deny(unused_imports, unused_must_use, unused_mut, unused_variables))))]

// On other systems this is the only error: everything else in this file is left out there.
#[cfg(not(target_os = "linux"))]
compile_error!(
    "shm-core runs on Linux only: it needs O_TMPFILE, open file description locks and sealed memfds"
);

#[cfg(all(
    target_os = "linux",
    not(all(
        target_has_atomic = "64",
        target_has_atomic = "32",
        target_has_atomic = "16",
        target_has_atomic = "8"
    ))
))]
compile_error!("shm-core needs a processor with atomic accesses of 1, 2, 4 and 8 bytes");

#[cfg(all(target_os = "linux", not(target_pointer_width = "64")))]
compile_error!(
    "shm-core needs a 64-bit processor: segments and lock offsets are counted in 64 bits"
);

#[cfg(target_os = "linux")]
mod access;
#[cfg(target_os = "linux")]
pub mod cell;
#[cfg(target_os = "linux")]
mod claim;
#[cfg(target_os = "linux")]
pub mod collections;
// Not `doc(hidden)` for the compiler too: its messages would give the traits in there with their whole paths.
#[cfg_attr(doc, doc(hidden))]
#[cfg(target_os = "linux")]
pub mod diagnostics;
// It stands on the types in `sync`.
#[cfg(all(target_os = "linux", not(loom)))]
pub mod dynamic;
#[cfg(target_os = "linux")]
mod error;
// It stands on `dynamic`.
#[cfg(all(target_os = "linux", not(loom)))]
mod export;
#[cfg(all(target_os = "linux", any(doc, doctest)))]
pub mod guide;
#[cfg(target_os = "linux")]
pub mod layout;
#[cfg(target_os = "linux")]
mod lock_byte;
#[cfg(target_os = "linux")]
mod name;
#[cfg(target_os = "linux")]
mod primitive;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
pub mod segment;
#[cfg(target_os = "linux")]
mod shm_layout;
// They stand on the real atomics, and the protocols on those of the model.
#[cfg(all(target_os = "linux", not(loom)))]
pub mod sync;
#[cfg(target_os = "linux")]
mod sys;

#[doc(hidden)]
#[path = "private.rs"]
#[cfg(target_os = "linux")]
pub mod __private;

#[cfg(target_os = "linux")]
pub use access::{Access, ReadOnly, ReadWrite, Writable};
#[doc(inline)]
#[cfg(target_os = "linux")]
pub use cell::{ShmCell, ShmSlice, ShmValue};
#[doc(inline)]
#[cfg(target_os = "linux")]
pub use collections::{ShmOffset, ShmStr, ShmVec};
#[cfg(target_os = "linux")]
pub use error::{InvalidValue, ShmError};
#[doc(inline)]
#[cfg(target_os = "linux")]
pub use layout::TypeLayout;
#[doc(inline)]
#[cfg(target_os = "linux")]
pub use segment::{SegmentInfo, SegmentState, Shm, ShmOptions, list, sweep};
#[cfg(target_os = "linux")]
pub use shm_layout::ShmLayout;

/// The programs in the crate's README are compiled and run as tests.
#[cfg(all(target_os = "linux", doctest))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

/// See [`ShmLayout`](trait@ShmLayout).
#[cfg(target_os = "linux")]
pub use shm_derive::ShmLayout;
