//! Copies of many leaves at memory speed.
//!
//! The compiler never vectorises a loop of relaxed atomic accesses. Such a loop takes 1.6 to 2.7 times as long as
//! `memcpy` for eight-byte leaves, and 10 to 23 times as long for bytes. On x86-64 and aarch64 the loop is therefore written
//! in assembly, with moves of 16 to 64 bytes.
//!
//! The assembly performs *one relaxed access per leaf, in any order*. A leaf has at most 8 bytes and its natural
//! alignment, and no move begins or ends inside a leaf, so a single instruction moves each leaf, within a single cache
//! line. x86-64 processors with AVX, and all others in use, do not tear such a part of a wider access; what aarch64
//! guarantees is stated in its module. Each byte must also be
//! stored only once: a second store of the same leaf could undo what another process wrote in between. (A copy into private
//! memory may load a leaf twice. The later store decides which value it has, as if the other load had not been made.)
//!
//! Other architectures, Miri, loom, and `--cfg shm_portable_copy` (for the sanitizers, which do not instrument assembly)
//! use the plain loop in [`copy`](super::copy).

/// Whether [`read`], [`write`] and [`fill`] are available. Without them every leaf is moved by a separate atomic access.
pub(crate) const WIDE: bool = cfg!(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(any(miri, loom, shm_portable_copy))
));

#[cfg(all(target_arch = "aarch64", not(any(miri, loom, shm_portable_copy))))]
mod aarch64;
#[cfg(any(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    miri,
    loom,
    shm_portable_copy
))]
mod elsewhere;
#[cfg(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy))))]
mod x86_64;

#[cfg(all(target_arch = "aarch64", not(any(miri, loom, shm_portable_copy))))]
pub(crate) use aarch64::{LARGEST_VALUE, fill, read, read_value, write, write_value};
#[cfg(any(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    miri,
    loom,
    shm_portable_copy
))]
pub(crate) use elsewhere::{LARGEST_VALUE, fill, read, read_value, write, write_value};
#[cfg(all(target_arch = "x86_64", not(any(miri, loom, shm_portable_copy))))]
pub(crate) use x86_64::{LARGEST_VALUE, fill, read, read_value, write, write_value};
