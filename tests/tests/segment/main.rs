//! Segments and their names: creation, attachment, ownership, replacement, removal, listing, errors, levels, and the bytes of
//! the format.

mod creation;
mod errors;
mod format;
mod levels;
mod lifetime;
mod list;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod meanwhile;
mod ownership;
mod supersede;
mod visibility;
